package checkout

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"sync"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"

	"agentd/internal/errs"
)

// pipe is a session with a git-upload-pack at the other end of a byte stream. go-git's own need the caller's process
// environment, cannot be canceled while they connect, and bring half of go-git along.
type pipe struct {
	in    io.WriteCloser
	out   *bufio.Reader
	close func() error
	// said returns what the other side wrote to standard error; nil if it has none.
	said func() string
	sent bool
}

func newPipe(in io.WriteCloser, out io.Reader, w *watch, shut func() error) *pipe {
	return &pipe{in: in, out: bufio.NewReaderSize(&ticking{out, w}, 64<<10), close: sync.OnceValue(shut)}
}

// AdvertisedReferencesContext reads the references.
func (p *pipe) AdvertisedReferencesContext(ctx context.Context) (*packp.AdvRefs, error) {
	// A stream cannot be told to stop reading: end it instead.
	stop := context.AfterFunc(ctx, func() { p.close() }) //nolint:errcheck // the read returns the error
	defer stop()
	adv := packp.NewAdvRefs()
	err := adv.Decode(&limited{io.NopCloser(p.out), maxAdvertised, true, nil})
	switch {
	case err == nil && adv.IsEmpty(), errors.Is(err, packp.ErrEmptyAdvRefs):
		return nil, transport.ErrEmptyRemoteRepository
	case err != nil:
		return nil, p.complaint(err)
	}
	return adv, nil
}

// complaint prefers what the other side says about itself to what is missing from its answer.
func (p *pipe) complaint(err error) error {
	text := err.Error()
	if p.said != nil {
		p.close() //nolint:errcheck // the other side has failed already
		text += "\n" + p.said()
	}
	for _, known := range []string{
		"not found", "does not appear to be a git repository", "does not exist", "no such repository",
	} {
		if strings.Contains(strings.ToLower(text), known) {
			return fmt.Errorf("%w: %s", transport.ErrRepositoryNotFound, text)
		}
	}
	if p.said != nil {
		if said := strings.TrimSpace(p.said()); said != "" {
			return errs.New(errs.Unavailable, "the host says: %s", clean(said, 300))
		}
	}
	return err
}

// UploadPack sends the request and reads up to where the pack begins.
func (p *pipe) UploadPack(ctx context.Context, req *packp.UploadPackRequest) (*packp.UploadPackResponse, error) {
	p.sent = true
	// Reads of the pack come later: the stream ends with ctx, or with the session.
	context.AfterFunc(ctx, func() { p.close() }) //nolint:errcheck // the read returns the error
	if err := req.UploadRequest.Encode(p.in); err != nil {
		return nil, p.complaint(err)
	}
	if err := req.UploadHaves.Encode(p.in, false); err != nil {
		return nil, p.complaint(err)
	}
	if err := pktline.NewEncoder(p.in).EncodeString("done\n"); err != nil {
		return nil, p.complaint(err)
	}
	if err := p.in.Close(); err != nil {
		return nil, err
	}
	answer := packp.NewUploadPackResponse(req)
	if err := answer.Decode(io.NopCloser(p.out)); err != nil {
		return nil, p.complaint(fmt.Errorf("decoding upload-pack: %w", err))
	}
	return answer, nil
}

// Close ends the session, politely if nothing was asked for.
func (p *pipe) Close() error {
	if !p.sent {
		p.in.Write(pktline.FlushPkt) //nolint:errcheck // it is only polite
	}
	return p.close()
}

// openGit speaks the git protocol, which has no encryption and no login.
func openGit(ctx context.Context, s source, w *watch) (session, error) {
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", s.address())
	if err != nil {
		return nil, err
	}
	hello := fmt.Sprintf("git-upload-pack %s\x00host=%s\x00", s.endpoint.Path, s.endpoint.Host)
	if err := pktline.NewEncoder(conn).EncodeString(hello); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return newPipe(openEnded{conn}, conn, w, conn.Close), nil
}

// openEnded is a connection of which one direction cannot be closed alone: a git daemon takes that for the end of both.
type openEnded struct{ io.Writer }

// Close does nothing.
func (openEnded) Close() error { return nil }

// openFile runs the host's own git-upload-pack on a path, as the caller, who must be able to read it. Where that is
// missing there is no other way: the format on disk is for git to read.
func openFile(ctx context.Context, s source, w *watch) (session, error) {
	git, err := exec.LookPath("git")
	if err != nil {
		return nil, errs.New(errs.Unsupported, "no program git on this agent, which file:// needs").
			WithHint("install git, or give the repository by https or ssh")
	}
	cmd := exec.CommandContext(ctx, git, "upload-pack", s.endpoint.Path)
	said := &tail{}
	cmd.Stderr = said
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := newPipe(in, out, w, func() error {
		in.Close()  //nolint:errcheck // upload-pack ends by it
		out.Close() //nolint:errcheck // and by this
		return cmd.Wait()
	})
	p.said = said.String
	return p, nil
}

// tail keeps the last of what the other side complains about.
type tail struct {
	mu   sync.Mutex
	text []byte
}

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if extra := len(t.text) - 2<<10; extra > 0 {
		t.text = t.text[extra:]
	}
	return len(p), nil
}

// String is what was kept.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
