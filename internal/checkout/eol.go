package checkout

import "bytes"

// eol says what becomes of the ends of lines on the way into the work tree. Of a repository's own settings only those in
// .gitattributes travel with it; core.autocrlf and core.eol have their defaults, which change nothing here.
type eol int

const (
	eolAsIs eol = iota
	eolCRLF
	// eolCRLFIfText converts what looks like text, and has no such ends yet.
	eolCRLFIfText
)

// eol decides for one file; other is called if an attribute asks for a form that is not made here.
func (a *attributes) eol(file string, other func()) eol {
	if a == nil {
		return eolAsIs
	}
	states := a.of(file)
	if v := states["working-tree-encoding"]; len(v) > 1 && v[0] == '=' {
		other()
	}
	text, ending := states["text"], states["eol"]
	if text == "" || text == "!" {
		// The old name of it.
		switch states["crlf"] {
		case "+":
			text = "+"
		case "-":
			text = "-"
		case "=input":
			ending = "=lf"
		}
	}
	switch {
	case text == "-" || ending != "=crlf":
		return eolAsIs
	case text == "=auto":
		return eolCRLFIfText
	}
	return eolCRLF
}

// lineStats are what git judges text by (convert.c).
type lineStats struct {
	nul, loneCR, loneLF, crlf, printable, other int
}

func statsOf(text []byte) lineStats {
	var s lineStats
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\r' && i+1 < len(text) && text[i+1] == '\n':
			s.crlf++
			i++
		case c == '\r':
			s.loneCR++
		case c == '\n':
			s.loneLF++
		case c == 0:
			s.nul++
			s.other++
		case c == '\b' || c == '\t' || c == 0x1b || c == '\f':
			s.printable++
		case c < 0x20 || c == 0x7f:
			s.other++
		default:
			s.printable++
		}
	}
	if len(text) > 0 && text[len(text)-1] == 0x1a {
		s.other-- // the end of file of old systems
	}
	return s
}

func (s lineStats) binary() bool { return s.loneCR > 0 || s.nul > 0 || s.printable>>7 < s.other }

// convert returns the text as it is to be in the work tree; the same if there is nothing to change.
func (e eol) convert(text []byte) []byte {
	if e == eolAsIs {
		return text
	}
	s := statsOf(text)
	if s.loneLF == 0 || e == eolCRLFIfText && (s.crlf > 0 || s.binary()) {
		return text
	}
	out := make([]byte, 0, len(text)+s.loneLF)
	for len(text) > 0 {
		line, rest, found := bytes.Cut(text, []byte("\n"))
		out = append(out, line...)
		if found {
			if !bytes.HasSuffix(line, []byte("\r")) {
				out = append(out, '\r')
			}
			out = append(out, '\n')
		}
		text = rest
	}
	return out
}
