package identity

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// One request at the start is all the HTTP that the agent needs, and package
// net/http would be a fifth of the program.

const (
	// maxAnswer bounds an answer with its head, in bytes.
	maxAnswer = 64 << 10
	// maxHead bounds the lines of a head.
	maxHead = 100
)

// answer is an HTTP answer.
type answer struct {
	status int
	// date is what the server's clock said, zero if it did not say.
	date time.Time
	body []byte
}

// appendGet appends a request for a path, after which the server is to close.
// No argument may hold a line break.
func appendGet(dst []byte, host, path, authorization string) []byte {
	dst = fmt.Appendf(dst, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: tvilling-agent\r\nAccept: application/json\r\nConnection: close\r\n", path, host)
	if authorization != "" {
		dst = fmt.Appendf(dst, "Authorization: %s\r\n", authorization)
	}
	return append(dst, "\r\n"...)
}

// head is what matters of the head of an answer.
type head struct {
	status  int
	date    time.Time
	length  int64 // -1 if it is not given
	chunked bool
}

// readAnswer reads an answer of HTTP/1.1 to a GET (RFC 9112).
func readAnswer(from io.Reader) (answer, error) {
	bounded := &io.LimitedReader{R: from, N: maxAnswer + 1}
	r := bufio.NewReader(bounded)
	h, err := readHead(r)
	for err == nil && h.status < 200 {
		h, err = readHead(r) // that was an interim one [RFC 9110 §15.2]
	}
	if err != nil {
		return answer{}, fmt.Errorf("read the hub's answer: %w", err)
	}
	a := answer{status: h.status, date: h.date}
	switch {
	case h.status == 204 || h.status == 304: // never with a body [RFC 9112 §6.3]
	case h.chunked:
		a.body, err = readChunks(r)
	case h.length >= 0:
		if h.length > maxAnswer {
			return answer{}, errTooLong
		}
		a.body = make([]byte, h.length)
		_, err = io.ReadFull(r, a.body)
	default:
		a.body, err = io.ReadAll(r)
	}
	if bounded.N == 0 {
		return answer{}, errTooLong
	}
	if err != nil {
		return answer{}, fmt.Errorf("read the hub's answer: %w", noEOF(err))
	}
	return a, nil
}

var (
	errTooLong = fmt.Errorf("the hub's answer is longer than %d bytes", maxAnswer)
	errNotHTTP = errors.New("it is not one of HTTP/1.1")
)

// noEOF is err, where an end is one that came too early.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func readHead(r *bufio.Reader) (head, error) {
	line, err := readLine(r)
	if err != nil {
		return head{}, err
	}
	// "HTTP/1.1 200 OK"
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) || line[8] != ' ' || (len(line) > 12 && line[12] != ' ') {
		return head{}, errNotHTTP
	}
	h := head{length: -1}
	if h.status, err = strconv.Atoi(string(line[9:12])); err != nil || h.status < 100 || h.status > 599 {
		return head{}, errNotHTTP
	}
	old := line[7] == '0'
	for range maxHead {
		line, err := readLine(r)
		if err != nil {
			return head{}, err
		}
		if len(line) == 0 {
			if h.chunked && (old || h.length >= 0) {
				return head{}, errors.New("its length is given in two ways, or in one that it cannot be")
			}
			return h, nil
		}
		if err := h.field(line); err != nil {
			return head{}, err
		}
	}
	return head{}, fmt.Errorf("its head has more than %d lines", maxHead)
}

// field reads a line of a head.
func (h *head) field(line []byte) error {
	name, value, ok := strings.Cut(string(line), ":")
	if !ok || name == "" || strings.ContainsAny(name, " \t") {
		return errNotHTTP
	}
	value = strings.Trim(value, " \t")
	switch strings.ToLower(name) {
	case "content-length":
		n, err := strconv.ParseUint(value, 10, 62)
		if err != nil || h.length >= 0 {
			return errors.New("its length is not one number")
		}
		h.length = int64(n)
	case "transfer-encoding":
		if !strings.EqualFold(value, "chunked") || h.chunked {
			return fmt.Errorf("it is encoded as %.20q", value)
		}
		h.chunked = true
	case "date":
		if t, err := time.Parse("Mon, 02 Jan 2006 15:04:05 GMT", value); err == nil {
			h.date = t
		}
	}
	return nil
}

// readChunks reads a chunked body (RFC 9112 §7.1). Trailers are left.
func readChunks(r *bufio.Reader) ([]byte, error) {
	var body []byte
	for {
		line, err := readLine(r)
		if err != nil {
			return nil, err
		}
		size, _, _ := strings.Cut(string(line), ";")
		n, err := strconv.ParseUint(strings.TrimRight(size, " \t"), 16, 32)
		if err != nil {
			return nil, errors.New("the size of a chunk is not a number")
		}
		if n == 0 {
			return body, nil
		}
		if int(n) > maxAnswer-len(body) {
			return nil, errTooLong
		}
		at := len(body)
		body = append(body, make([]byte, n)...)
		if _, err := io.ReadFull(r, body[at:]); err != nil {
			return nil, err
		}
		if line, err := readLine(r); err != nil {
			return nil, err
		} else if len(line) != 0 {
			return nil, errors.New("a chunk is longer than its size")
		}
	}
}

// readLine reads a line without its end. It is valid until the next read.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return nil, noEOF(err) // also: longer than the buffer
	}
	line, ok := bytes.CutSuffix(line[:len(line)-1], []byte("\r"))
	if !ok || bytes.IndexByte(line, '\r') >= 0 || bytes.IndexByte(line, 0) >= 0 {
		return nil, errNotHTTP
	}
	return line, nil
}
