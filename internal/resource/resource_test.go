package resource_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"agentd/internal/errs"
	"agentd/internal/resource"
)

func ExampleParseBytes() {
	size, err := resource.ParseBytes("1.5 GiB")
	fmt.Println(int64(size), size, err)
	_, err = resource.ParseBytes("320")
	fmt.Println(err)
	// Output:
	// 1610612736 1.5g <nil>
	// "320" has no unit: "320m"?
}

func TestParseBytes_Spellings(t *testing.T) {
	for in, want := range map[string]resource.Bytes{
		"4g": 4 << 30, "4G": 4 << 30, "4gb": 4 << 30, "4GiB": 4 << 30, "4 g": 4 << 30, " 4g ": 4 << 30, "4gibytes": 4 << 30,
		"4 gbyte": 4 << 30, "4gbytes": 4 << 30, "4 gibyte": 4 << 30, "0.5g": 1 << 29, "1_024k": 1 << 20, "320m": 320 << 20,
		"100b": 100, "100 bytes": 100, "1byte": 1, "1t": 1 << 40, "2p": 2 << 50, "7e": 7 << 60, "0.001k": 1, "4.0b": 4, "0m": 0,
		"9223372036854775807b": math.MaxInt64,
	} {
		if got, err := resource.ParseBytes(in); err != nil || got != want {
			t.Errorf("ParseBytes(%q) = %d, %v; want %d", in, int64(got), err, int64(want))
		}
	}
}

func TestParseBytes_Refused(t *testing.T) {
	for in, want := range map[string]string{
		"":                     `"" is not a size: write a number and a unit, such as 512m or 4g`,
		"320":                  `"320" has no unit: "320m"?`,
		"1.5":                  `"1.5" has no unit: "1.5m"?`,
		"1.5b":                 `"1.5b" is not a whole number of bytes`,
		"4x":                   `"x" is not a unit of size: use k, m, g, t, p or e`,
		"1e3":                  `"e3" is not a unit of size: use k, m, g, t, p or e`,
		"4gg":                  `"gg" is not a unit of size: use k, m, g, t, p or e`,
		"4z":                   `"z" is not a unit of size: use k, m, g, t, p or e`,
		"-4g":                  `"-4g" is not a size: write a number and a unit, such as 512m or 4g`,
		"inf":                  `"inf" is not a size: write a number and a unit, such as 512m or 4g`,
		"_4g":                  `"_4g" is not a size: write a number and a unit, such as 512m or 4g`,
		"4_g":                  `"4_g" is not a size: write a number and a unit, such as 512m or 4g`,
		"4__0g":                `"4__0g" is not a size: write a number and a unit, such as 512m or 4g`,
		"1.2.3g":               `"1.2.3g" is not a size: write a number and a unit, such as 512m or 4g`,
		".5g":                  `".5g" is not a size: write a number and a unit, such as 512m or 4g`,
		"4.g":                  `"4.g" is not a size: write a number and a unit, such as 512m or 4g`,
		"8e":                   `"8e" is more than 9223372036854775807b`,
		"9223372036854775808b": `"9223372036854775808b" is more than 9223372036854775807b`,
		strings.Repeat("9", 41): `"` + strings.Repeat("9", 40) +
			`…" is not a size: write a number and a unit, such as 512m or 4g`,
	} {
		got, err := resource.ParseBytes(in)
		if err == nil || err.Error() != want || !errs.Is(err, errs.Invalid) {
			t.Errorf("ParseBytes(%q) = %d, %v; want the error %s", in, int64(got), err, want)
		}
	}
}

func TestBytes_String(t *testing.T) {
	for in, want := range map[resource.Bytes]string{
		0: "0b", 1: "1b", 1023: "1023b", 1024: "1k", 1536: "1.5k", 1 << 30: "1g", 3 << 29: "1.5g", 4 << 30: "4g", 320 << 20: "320m",
		1000000: "1000000b", -1536: "-1.5k", math.MaxInt64: "9223372036854775807b", 1 << 60: "1e", 9 << 57: "1.125e",
		15 << 56: "960p", 63 << 57: "7.875e", math.MinInt64: "-8e", 10 << 30: "10g", 1<<40 + 1<<30: "1025g", 1<<30 + 1: "1073741825b",
	} {
		if got := in.String(); got != want {
			t.Errorf("Bytes(%d).String() = %q; want %q", int64(in), got, want)
		}
	}
}

func FuzzBytes(f *testing.F) {
	for _, s := range []string{"4g", "1.5 GiB", "320", "0.0001e", "1_0k", "9223372036854775807b", "١g", "4.99999999999999999999g"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b, err := resource.ParseBytes(s)
		if err != nil {
			if b != 0 || !errs.Is(err, errs.Invalid) {
				t.Fatalf("ParseBytes(%q) = %d, %v", s, int64(b), err)
			}
			return
		}
		if b < 0 {
			t.Fatalf("ParseBytes(%q) is negative: %d", s, int64(b))
		}
		if again, err := resource.ParseBytes(b.String()); err != nil || again != b {
			t.Fatalf("ParseBytes(%q) = %d; its String %q gives %d, %v", s, int64(b), b, int64(again), err)
		}
	})
}

func TestParseCPU(t *testing.T) {
	for _, row := range []struct {
		in      string
		want    resource.NanoCPU
		text    string
		problem string
	}{
		{in: "2", want: 2e9, text: "2"},
		{in: "0.5", want: 5e8, text: "0.5"},
		{in: " 1.25 ", want: 125e7, text: "1.25"},
		{in: "4.0", want: 4e9, text: "4"},
		{in: "0.01", want: 1e7, text: "0.01"},
		{in: "1.000000001", want: 1000000001, text: "1.000000001"},
		{in: "1.0000000001", problem: `"1.0000000001" is finer than a billionth of a core`},
		{in: "0", problem: `"0" is less than the smallest share, 0.01 cores`},
		{in: "0.001", problem: `"0.001" is less than the smallest share, 0.01 cores`},
		{in: "500m", problem: `"500m" is not a number of cores: "0.5"?`},
		{in: "2000m", problem: `"2000m" is not a number of cores: "2"?`},
		{in: "-1", problem: `"-1" is not a number of cores: write one such as 2 or 0.5`},
		{in: "", problem: `"" is not a number of cores: write one such as 2 or 0.5`},
		{in: "two", problem: `"two" is not a number of cores: write one such as 2 or 0.5`},
		{in: "1e3", problem: `"1e3" is not a number of cores: write one such as 2 or 0.5`},
		{in: "99999999", problem: `"99999999" is more cores than any machine has`},
	} {
		got, err := resource.ParseCPU(row.in)
		switch {
		case row.problem != "":
			if err == nil || err.Error() != row.problem {
				t.Errorf("ParseCPU(%q) = %d, %v; want the error %s", row.in, int64(got), err, row.problem)
			}
		case err != nil || got != row.want || got.String() != row.text:
			t.Errorf("ParseCPU(%q) = %d (%s), %v; want %d (%s)", row.in, int64(got), got, err, int64(row.want), row.text)
		}
	}
}

func TestNanoCPU_String(t *testing.T) {
	for in, want := range map[resource.NanoCPU]string{0: "0", -5e8: "-0.5", -15e8: "-1.5", 1: "0.000000001"} {
		if got := in.String(); got != want {
			t.Errorf("NanoCPU(%d).String() = %q; want %q", int64(in), got, want)
		}
	}
}

func TestCheckAmount(t *testing.T) {
	for _, row := range []struct{ slot, amount, problem string }{
		{"cpu", "2", ""},
		{"cpu", "2g", `"2g" is not a number of cores: write one such as 2 or 0.5`},
		{"mem", "16m", ""},
		{"mem", "15m", `"15m" is less than the least memory of a session, 16m`},
		{"mem", "320", `"320" has no unit: "320m"?`},
		{"shmem", "1m", ""},
		{"shmem", "0m", `"0m" is nothing: leave it out, or write a size such as 64m`},
		{"cuda.device", "0", ""},
		{"cuda.device", "2", ""},
		{"cuda.device", "0.5", `"0.5" is not a whole number`},
		{"cuda.device", "all", `"all" is not a whole number`},
		{"cuda.shares", "0.5", ""},
		{"nvidia.com/gpu", "1", ""},
		{"disk", "10g", ""},
		{"disk", "-1", `"-1" is not an amount: write a number such as 1`},
		{"disk", "lots", `"lots" is not an amount: write a number such as 1`},
		{"disk", "1 lot", `"1 lot" is not an amount: write a number such as 1`},
	} {
		got := ""
		if err := resource.CheckAmount(row.slot, row.amount); err != nil {
			got = err.Error()
		}
		if got != row.problem {
			t.Errorf("CheckAmount(%q, %q) = %s; want %s", row.slot, row.amount, got, row.problem)
		}
	}
}

func TestCheckSlotName(t *testing.T) {
	for _, s := range resource.Slots() {
		if err := resource.CheckSlotName(s.Name); err != nil {
			t.Errorf("CheckSlotName(%q) = %v", s.Name, err)
		}
		if err := resource.CheckAmount(s.Name, "no such amount"); err == nil || errs.Is(err, errs.Internal) {
			t.Errorf("CheckAmount of slot %s = %v; want a problem of its kind %s", s.Name, err, s.Kind)
		}
	}
	for name, ok := range map[string]bool{
		"nvidia.com/gpu": true, "cuda.shares": true, "a": true, "rocm_1-x.y": true,
		"": false, "/": false, "a/": false, "/a": false, "a//b": false, "a/b/c": false, ".a": false, "a.": false, "a..b": false,
		"a./b": false, "a/.b": false, "a b": false, "-a": false, "a-": false, "é": false, strings.Repeat("a", 129): false,
	} {
		if err := resource.CheckSlotName(name); (err == nil) != ok {
			t.Errorf("CheckSlotName(%q) = %v; want ok: %t", name, err, ok)
		}
	}
}
