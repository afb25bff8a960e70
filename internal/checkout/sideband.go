package checkout

import (
	"fmt"
	"io"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"

	"agentd/internal/errs"
)

// sideband takes the pack out of the packets that it comes in (gitprotocol-pack(5)). go-git's own waits until it can fill
// what it was given to read into: with a slow host nobody would see progress.
type sideband struct {
	packets *pktline.Scanner
	left    []byte
	ended   bool
}

// Channels of a packet.
const (
	channelPack     = 1
	channelProgress = 2
	channelError    = 3
)

// Read returns what the next packet brings.
func (s *sideband) Read(p []byte) (int, error) {
	for len(s.left) == 0 {
		if s.ended {
			return 0, io.EOF
		}
		if !s.packets.Scan() {
			if err := s.packets.Err(); err != nil {
				return 0, err
			}
			return 0, io.ErrUnexpectedEOF // the end is a packet of its own
		}
		packet := s.packets.Bytes()
		if len(packet) == 0 {
			s.ended = true
			continue
		}
		switch text := packet[1:]; packet[0] {
		case channelPack:
			s.left = text
		case channelProgress:
		case channelError:
			return 0, errs.New(errs.Unavailable, "the host says: %s", clean(string(text), 300))
		default:
			return 0, fmt.Errorf("%w: a packet on channel %d", errBroken, packet[0])
		}
	}
	n := copy(p, s.left)
	s.left = s.left[n:]
	return n, nil
}
