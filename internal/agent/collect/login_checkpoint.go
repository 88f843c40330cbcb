package collect

import (
	"encoding/json"
	"fmt"
)

// maxCheckpoint bounds a checkpoint, in bytes.
const maxCheckpoint = 4 << 10

// checkpoint is how far the logs were read.
type checkpoint struct {
	// Files are positions by path, Journals by folder.
	Files    map[string]filePosition    `json:"files,omitempty"`
	Journals map[string]journalPosition `json:"journals,omitempty"`
}

// filePosition is a place in a file.
type filePosition struct {
	File   fileID `json:"file"`
	Offset int64  `json:"off"`
}

// fileID is the identity of a file.
type fileID struct {
	Device uint64 `json:"d"`
	Inode  uint64 `json:"i"`
}

// journalPosition is the last entry that was read of a journal. Sequence numbers
// go on through the files of one SequenceID; between others the time compares.
type journalPosition struct {
	SequenceID string `json:"id"`
	Sequence   uint64 `json:"n"`
	Micros     int64  `json:"t"`
}

func (c *checkpoint) bytes() ([]byte, error) {
	b, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("logins: write checkpoint: %w", err)
	}
	if len(b) > maxCheckpoint {
		return nil, fmt.Errorf("logins: checkpoint has %d bytes, more than %d", len(b), maxCheckpoint)
	}
	return b, nil
}

// parseCheckpoint reads what bytes made; nothing is one without positions.
func parseCheckpoint(b []byte) (*checkpoint, error) {
	c := &checkpoint{}
	if len(b) == 0 {
		return c, nil
	}
	if len(b) > maxCheckpoint {
		return c, fmt.Errorf("logins: checkpoint has %d bytes, more than %d", len(b), maxCheckpoint)
	}
	if err := json.Unmarshal(b, c); err != nil {
		return &checkpoint{}, fmt.Errorf("logins: read checkpoint: %w", err)
	}
	for path, p := range c.Files {
		if p.Offset < 0 {
			delete(c.Files, path)
		}
	}
	return c, nil
}
