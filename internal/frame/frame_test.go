package frame

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

func TestReader_ReturnsWhatWriterSent(t *testing.T) {
	var wire bytes.Buffer
	w := NewWriter(&wire)
	sent := []struct {
		t    Type
		data []byte
	}{
		{TypeHello, []byte("{}")}, {TypeEOF, nil}, {TypeStdout, bytes.Repeat([]byte{0xAD}, MaxData)},
		{TypeRequest, bytes.Repeat([]byte{' '}, MaxRequest)}, {TypeResize, Size{24, 80}.Append(nil)},
	}
	for _, f := range sent {
		if err := w.Write(f.t, f.data); err != nil {
			t.Fatalf("write type %d: %v", f.t, err)
		}
	}
	r := NewReader(&wire)
	for _, f := range sent {
		got, data, err := r.Next()
		if err != nil || got != f.t || !bytes.Equal(data, f.data) {
			t.Fatalf("got type %d with %d bytes, %v; want type %d with %d", got, len(data), err, f.t, len(f.data))
		}
	}
	if _, _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last: %v, want EOF", err)
	}
}

func TestReader_RefusesWhatIsNoFrame(t *testing.T) {
	for name, wire := range map[string]string{
		"magic":        "GET / HTTP/1.1\r\n",
		"version":      "\xad\x02\x01\x00\x00\x00\x00\x00",
		"type":         "\xad\x01\x63\x00\x00\x00\x00\x00",
		"type zero":    "\xad\x01\x00\x00\x00\x00\x00\x00",
		"flags":        "\xad\x01\x01\x01\x00\x00\x00\x00",
		"data too big": "\xad\x01\x04\x00\x00\x01\x00\x01",
		"huge":         "\xad\x01\x02\x00\xff\xff\xff\xff",
		"eof has none": "\xad\x01\x0a\x00\x00\x00\x00\x01x",
	} {
		if _, _, err := NewReader(bytes.NewBufferString(wire)).Next(); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v, want ErrFormat", name, err)
		}
	}
	for name, wire := range map[string]string{"header": "\xad\x01", "payload": "\xad\x01\x04\x00\x00\x00\x00\x02x"} {
		if _, _, err := NewReader(bytes.NewBufferString(wire)).Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut %s: %v, want unexpected EOF", name, err)
		}
	}
}

func TestWriter_RefusesWhatItsReaderWould(t *testing.T) {
	var wire bytes.Buffer
	w := NewWriter(&wire)
	if err := w.Write(TypeStdout, make([]byte, MaxData+1)); !errors.Is(err, ErrFormat) {
		t.Errorf("too long: %v", err)
	}
	if err := w.Write(99, nil); !errors.Is(err, ErrFormat) {
		t.Errorf("unknown type: %v", err)
	}
	if wire.Len() != 0 {
		t.Errorf("%d bytes were sent", wire.Len())
	}
}

func TestReader_ReadsNoByteTooMuch(t *testing.T) {
	wire := bytes.NewBuffer(nil)
	NewWriter(wire).Write(TypeOK, []byte("{}")) //nolint:errcheck // a buffer takes it
	wire.WriteString("raw bytes")
	if _, _, err := NewReader(wire).Next(); err != nil {
		t.Fatal(err)
	}
	if wire.String() != "raw bytes" {
		t.Errorf("left: %q", wire.String())
	}
}

// FuzzFrame feeds a reader any bytes: it returns frames that can be sent again, or an error, and takes no more memory
// than the largest frame.
func FuzzFrame(f *testing.F) {
	whole, _ := Append(nil, TypeStdout, []byte("output")) //nolint:errcheck // it is short
	f.Add(whole)
	f.Add(append(whole, "\xad\x01\x06\x00\x00\x00\x00\x04\x00\x18\x00\x50"...))
	f.Add([]byte("\xad\x01\x02\x00\x00\x20\x00\x00{"))
	f.Add([]byte("\xad\x02\x01\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, wire []byte) {
		r := NewReader(bytes.NewReader(wire))
		var again []byte
		for {
			kind, payload, err := r.Next()
			if err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, ErrFormat) {
					t.Fatalf("error %v", err)
				}
				break
			}
			if again, err = Append(again, kind, payload); err != nil {
				t.Fatalf("frame that was read cannot be sent: %v", err)
			}
			FailureIn(payload) //nolint:errcheck // must not panic
			parseExit(payload) //nolint:errcheck // must not panic
			ParseSize(payload) //nolint:errcheck // must not panic
		}
		if !bytes.HasPrefix(wire, again) {
			t.Fatalf("read %q of %q", again, wire)
		}
		if cap(r.buf) > MaxRequest {
			t.Fatalf("buffer of %d bytes", cap(r.buf))
		}
	})
}
