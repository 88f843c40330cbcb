package web

import (
	"bufio"
	"net/http"
	"time"
)

// downloadBuffer is how much of a download is put together before it is sent.
const downloadBuffer = 32 << 10

// Download answers with a file of the given name that is made while it is
// sent. produce calls emit with one piece after the other; emit returns an error
// when the browser takes no more. A download that cannot be finished is cut off,
// so that the browser says it failed. Its route has Stream set: it takes as long
// as it takes.
func (c *Call) Download(contentType, name string, produce func(emit func([]byte) error) error) error {
	if err := c.audit(); err != nil {
		return err
	}
	control := http.NewResponseController(c.W)
	h := c.W.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	h.Set("Cache-Control", "no-store")
	c.wrote, c.status = true, http.StatusOK
	w := bufio.NewWriterSize(deadlined{c.W, control}, downloadBuffer)
	var gone error
	err := produce(func(piece []byte) error {
		if c.over() {
			gone = http.ErrAbortHandler
		} else if _, err := w.Write(piece); err != nil {
			gone = err
		}
		return gone
	})
	if err == nil {
		err = w.Flush()
		gone = err
	}
	switch {
	case err == nil:
		return nil
	case gone == nil:
		// The failure is the hub's: the log has it, and the browser sees a file
		// that was cut off.
		c.site.opt.Logger.WarnContext(c.Context(), "download cut off", "path", c.R.URL.Path, "tracking_id", c.tracking, "error", err)
	}
	panic(http.ErrAbortHandler)
}

// LeftOut tells the hub's log of a damaged record that a download does not have.
func (c *Call) LeftOut(err error) {
	c.site.opt.Logger.WarnContext(c.Context(), "damaged record left out of a download", "path", c.R.URL.Path, "tracking_id", c.tracking, "error", err)
}

// deadlined writes with a limit on how long a browser may take to read.
type deadlined struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func (d deadlined) Write(p []byte) (int, error) {
	// A recorder in a test knows no deadlines; a real connection does. One that is
	// left behind would end an HTTP/2 stream while the next piece is being made.
	_ = d.control.SetWriteDeadline(time.Now().Add(writeTime))
	defer func() { _ = d.control.SetWriteDeadline(time.Time{}) }()
	return d.w.Write(p)
}
