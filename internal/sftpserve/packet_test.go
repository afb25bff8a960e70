package sftpserve

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// request is a packet on the wire: its length, its type, the number 7 and the rest.
func request(kind byte, rest []byte) []byte {
	body := append(binary.BigEndian.AppendUint32([]byte{kind}, 7), rest...)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

// ask serves one client that sends that and leaves, and returns the body of the first answer.
func ask(t *testing.T, sent []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := Serve(bytes.NewReader(sent), &out); err != nil {
		t.Fatal(err)
	}
	if out.Len() < 4 || int(binary.BigEndian.Uint32(out.Bytes())) != out.Len()-4 {
		t.Fatalf("the answer is % x", out.Bytes())
	}
	return out.Bytes()[4:]
}

// TestServe_MalformedChangesNothing sends requests that end in the middle: nothing may be done by halves.
func TestServe_MalformedChangesNothing(t *testing.T) {
	name := filepath.Join(t.TempDir(), "kept")
	if err := os.WriteFile(name, []byte("content"), 0o640); err != nil {
		t.Fatal(err)
	}
	for what, rest := range map[string]struct {
		kind byte
		rest []byte
	}{
		"size":       {typeSetstat, binary.BigEndian.AppendUint32(appendString(nil, name), attrSize)},
		"mode":       {typeSetstat, binary.BigEndian.AppendUint32(appendString(nil, name), attrMode)},
		"times":      {typeSetstat, binary.BigEndian.AppendUint32(appendString(nil, name), attrTimes)},
		"open":       {typeOpen, binary.BigEndian.AppendUint32(appendString(nil, name), openWrite|openTrunc)},
		"mkdir":      {typeMkdir, binary.BigEndian.AppendUint32(appendString(nil, name+".d"), attrMode)},
		"mkdir bare": {typeMkdir, appendString(nil, name+".d")},
		"symlink":    {typeSymlink, appendString(nil, name+".l")},
		"remove":     {typeRemove, append(binary.BigEndian.AppendUint32(nil, 99), name...)},
	} {
		answer := ask(t, request(rest.kind, rest.rest))
		if answer[0] != typeStatus || binary.BigEndian.Uint32(answer[5:]) != codeBad {
			t.Errorf("%s: the answer is % x, want a status of a bad message", what, answer)
		}
	}
	info, err := os.Stat(name)
	if err != nil || info.Size() != 7 || info.Mode() != 0o640 || info.ModTime().Unix() == 0 {
		t.Errorf("the file is %v, %v", info, err)
	}
	for _, suffix := range []string{".d", ".l"} {
		if _, err := os.Lstat(name + suffix); err == nil {
			t.Errorf("there is %s", name+suffix)
		}
	}
}

// TestServe_RefusesLengths sends lengths that no packet has.
func TestServe_RefusesLengths(t *testing.T) {
	for _, n := range []uint32{0, maxPacket + 1, 1<<32 - 1} {
		if err := Serve(bytes.NewReader(binary.BigEndian.AppendUint32(nil, n)), io.Discard); err == nil {
			t.Errorf("a packet of %d bytes is served", n)
		}
	}
	if err := Serve(bytes.NewReader(request(typeStat, nil)[:6]), io.Discard); err == nil {
		t.Error("a packet that ends in the middle is served")
	}
}

// TestAttrs_Read reads what appendAttrs writes.
func TestAttrs_Read(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte("content"), 0o640); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	p := &packet{rest: appendAttrs(nil, info)}
	a := p.attrs()
	if p.bad || len(p.rest) != 0 || *a.size != 7 || *a.mode&0o777 != 0o640 || !a.owner || int(a.uid) != os.Getuid() ||
		a.time.Unix() != info.ModTime().Unix() {
		t.Errorf("read %+v, bad %v, %d bytes left", a, p.bad, len(p.rest))
	}
}

// FuzzPacket reads the fields of anything: no read takes what is not there, and a packet that was bad stays so.
func FuzzPacket(f *testing.F) {
	f.Add(appendString(nil, "name"))
	f.Add(binary.BigEndian.AppendUint32(appendString(nil, "name"), attrSize|attrExtended))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		p := &packet{rest: data}
		name := p.string()
		if len(name) > len(data) || p.bad && name != "" {
			t.Fatalf("a name of %d bytes in %d, bad %v", len(name), len(data), p.bad)
		}
		bad := p.bad
		p.attrs()
		p.byte()
		p.uint64()
		if bad && !p.bad {
			t.Fatal("it is good again")
		}
		if len(name)+len(p.rest) > len(data) {
			t.Fatal("more is left than there was")
		}
		// Requests about handles touch no file: there is none open.
		s := &server{handles: map[string]*handle{}}
		for _, kind := range []byte{typeInit, typeClose, typeRead, typeWrite, typeFstat, typeFsetstat, typeReaddir, 99} {
			if answer := s.serve(&packet{rest: append([]byte{kind}, data...)}); len(answer) < 5 {
				t.Fatalf("type %d: the answer is % x", kind, answer)
			}
		}
	})
}
