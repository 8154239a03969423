package catalog

import (
	"bufio"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// web is a public home: files under one address, https, http or ftp. Each is a raw file or, if it ends in .zip or
// .tar.gz, an archive of them.
type web struct {
	base  string
	files []webFile
}

// webFile is a file of a public home. sum is "sha256:…", "md5:…" where that is all there is on record, or "" where the
// raw files have checksums or nothing is known.
type webFile struct{ name, sum string }

func (w web) String() string { return w.base }
func (w web) remote() bool   { return true }
func (w web) fetch(ctx context.Context, j *job) error {
	for _, f := range w.files {
		to := filepath.Join(j.tmp, path.Base(f.name))
		if err := j.download(ctx, w.base+f.name, to); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		if err := checkSum(to, f.sum); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		if strings.HasSuffix(f.name, ".zip") || strings.HasSuffix(f.name, ".tar.gz") {
			if err := j.unpack(ctx, to); err != nil {
				return fmt.Errorf("%s: %w", f.name, err)
			}
		} else if err := j.link(to); err != nil {
			return err
		}
	}
	return nil
}

func checkSum(file, want string) error {
	if want == "" {
		return nil
	}
	kind, _, _ := strings.Cut(want, ":")
	h := map[string]func() hash.Hash{"sha256": sha256.New, "md5": md5.New}[kind]()
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	n, err := io.Copy(h, f)
	if err != nil {
		return err
	}
	if got := kind + ":" + hex.EncodeToString(h.Sum(nil)); got != want {
		return fmt.Errorf("%d bytes of %s, want %s: %w", n, got, want, errUnverified)
	}
	return nil
}

const (
	tries       = 4
	maxDownload = 1 << 30
)

// download copies what an address has into a new file. A try that breaks off is taken up where it ended, if the server
// vouches that it still has the same content, and begun anew if not.
func (j *job) download(ctx context.Context, address, to string) error {
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	defer f.Close()
	d := transfer{job: j, to: f}
	get := d.http
	if strings.HasPrefix(address, "ftp:") {
		get = d.ftp
	}
	pause := j.retryAfter
	if pause == 0 {
		pause = time.Second
	}
	for try := 1; ; try++ {
		err := get(ctx, address)
		if err == nil {
			return f.Sync()
		}
		if ctx.Err() != nil || try == tries || final(err) {
			return err
		}
		j.log(fmt.Sprintf("%s: %v; trying again", address, err))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		pause *= 2
	}
}

// final says that trying again will not help.
func final(err error) bool {
	var status statusError
	if errors.As(err, &status) {
		again := []int{http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusRequestedRangeNotSatisfiable}
		return status.code/100 == 4 && !slices.Contains(again, status.code)
	}
	var ftp *textproto.Error
	if errors.As(err, &ftp) {
		return ftp.Code/100 == 5
	}
	var dns *net.DNSError
	var disk *os.PathError
	var dial *net.OpError
	return errors.As(err, &dns) || errors.As(err, &disk) || errors.As(err, &dial) && dial.Op == "dial" || errors.Is(err, errTooLarge)
}

var errTooLarge = fmt.Errorf("it sends more than %d bytes", maxDownload)

type statusError struct {
	code   int
	status string
}

func (s statusError) Error() string { return "the server answers " + s.status }

// transfer is a download in the course of its tries.
type transfer struct {
	job  *job
	to   *os.File
	have int64
	tag  string // what the server calls this content: a strong ETag or its date; "" if it does not
}

// The client follows redirects, except from https to http, and gives up on a server that does not begin to answer.
var client = &http.Client{CheckRedirect: func(req *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errors.New("it redirects in a circle")
	}
	if req.URL.Scheme == "http" && via[len(via)-1].URL.Scheme == "https" {
		return fmt.Errorf("it redirects from https to %s", req.URL)
	}
	return nil
}, Transport: &http.Transport{
	Proxy:                 http.ProxyFromEnvironment,
	DialContext:           (&net.Dialer{Timeout: 15 * time.Second}).DialContext,
	TLSHandshakeTimeout:   15 * time.Second,
	ResponseHeaderTimeout: 30 * time.Second,
	IdleConnTimeout:       30 * time.Second,
	DisableCompression:    true, // files are wanted as they lie there
	ForceAttemptHTTP2:     true,
}}

func (t *transfer) http(ctx context.Context, address string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", "latent")
	if t.have > 0 && t.tag != "" {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", t.have))
		req.Header.Set("If-Range", t.tag)
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	total := resp.ContentLength
	switch {
	case resp.StatusCode == http.StatusPartialContent && strings.HasPrefix(resp.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", t.have)):
		total += t.have
	case resp.StatusCode == http.StatusOK:
		t.have = 0
	default:
		t.tag = ""
		return statusError{resp.StatusCode, resp.Status}
	}
	t.tag = resp.Header.Get("ETag")
	if strings.HasPrefix(t.tag, "W/") || t.tag == "" {
		t.tag = resp.Header.Get("Last-Modified")
	}
	return t.copy(ctx, cancel, resp.Body, total)
}

// copy writes what r gives behind what is there. When nothing comes for a while it ends ctx.
func (t *transfer) copy(ctx context.Context, cancel context.CancelCauseFunc, r io.Reader, total int64) error {
	if err := t.to.Truncate(t.have); err != nil {
		return err
	}
	if _, err := t.to.Seek(t.have, io.SeekStart); err != nil {
		return err
	}
	stall := t.job.stall
	if stall == 0 {
		stall = time.Minute
	}
	watch := time.AfterFunc(stall, func() { cancel(fmt.Errorf("no byte came for %v", stall)) })
	defer watch.Stop()
	buf := make([]byte, 128<<10)
	for {
		n, err := r.Read(buf)
		watch.Reset(stall)
		if n > 0 {
			if _, err := t.to.Write(buf[:n]); err != nil {
				return err
			}
			if t.have += int64(n); t.have > maxDownload {
				return errTooLarge
			}
			if t.job.Progress != nil {
				t.job.Progress(int(t.have), int(max(total, 0)))
			}
		}
		switch {
		case err == io.EOF && total >= 0 && t.have != total:
			return fmt.Errorf("it ended after %d of %d bytes: %w", t.have, total, io.ErrUnexpectedEOF)
		case err == io.EOF:
			return nil
		case err != nil && ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return err
		}
	}
}

// ftp fetches a file from a server of RFC 959, passively and as an anonymous guest: the one public home of the SIFT
// vectors speaks nothing else.
func (t *transfer) ftp(ctx context.Context, address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	host, port := u.Hostname(), u.Port()
	if port == "" {
		port = "21"
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	dialer := net.Dialer{Timeout: 15 * time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	conn.SetDeadline(time.Now().Add(time.Minute)) // for the talk; the data has copy's watch
	c := textproto.NewConn(conn)
	say := func(want int, format string, a ...any) (string, error) {
		if format != "" {
			if err := c.PrintfLine(format, a...); err != nil {
				return "", err
			}
		}
		_, msg, err := c.ReadResponse(want)
		return msg, err
	}
	if strings.ContainsAny(u.Path, "\r\n") {
		return fmt.Errorf("address %q has a line break", address)
	}
	if _, err := say(220, ""); err != nil {
		return err
	}
	if _, err := say(3, "USER anonymous"); err != nil {
		return err
	}
	if _, err := say(230, "PASS guest@"); err != nil {
		return err
	}
	if _, err := say(200, "TYPE I"); err != nil {
		return err
	}
	total := int64(-1)
	if msg, err := say(213, "SIZE %s", u.Path); err == nil {
		if total, err = strconv.ParseInt(strings.TrimSpace(msg), 10, 64); err != nil || total < 0 {
			return fmt.Errorf("it gives the size %q", msg)
		}
	}
	msg, err := say(229, "EPSV")
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(msg, "(|||") // "Entering Extended Passive Mode (|||6446|)"
	dataPort, _, ok := strings.Cut(rest, "|)")
	if !ok {
		return fmt.Errorf("it answers EPSV with %q", msg)
	}
	data, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(host, dataPort))
	if err != nil {
		return err
	}
	defer data.Close()
	defer context.AfterFunc(ctx, func() { data.Close() })()
	if _, err := say(1, "RETR %s", u.Path); err != nil {
		return err
	}
	conn.SetDeadline(time.Time{})
	t.have = 0
	if err := t.copy(ctx, cancel, bufio.NewReader(data), total); err != nil {
		return err
	}
	conn.SetDeadline(time.Now().Add(time.Minute))
	_, err = say(226, "")
	return err
}
