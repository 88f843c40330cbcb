package eventdb

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/klauspost/compress/zstd"
)

// The stored form of a block:
//
//	body = version:u8 checksum:u32 messages guids guids[guids] zstd
//
// messages and guids are lengths before compression. The checksum, CRC-32C,
// is of the sequence of the first message and of all that follows it.
const bodyVersion = 1

// maxBlockBytes bounds what a block may claim to be; a block ends with the
// message that fills it.
const maxBlockBytes = 2 * maxMessageBytes

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const bodyHead = 1 + 4

// checksum is that of a value that goes by a sequence.
func checksum(first uint64, rest []byte) uint32 {
	key := binary.LittleEndian.AppendUint64(nil, first)
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, rest)
}

// packer compresses and decompresses blocks. It is safe for concurrent use.
type packer struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}

func newPacker() (*packer, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(false), zstd.WithWindowSize(1<<20))
	if err != nil {
		return nil, err
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxBlockBytes), zstd.WithDecoderConcurrency(0))
	if err != nil {
		return nil, err
	}
	return &packer{enc, dec}, nil
}

func (p *packer) close() {
	_ = p.enc.Close() // it writes to nothing
	p.dec.Close()
}

func (p *packer) pack(dst []byte, first uint64, c contents) []byte {
	start := len(dst)
	dst = append(dst, bodyVersion, 0, 0, 0, 0)
	dst = binary.AppendUvarint(dst, uint64(len(c.messages)))
	dst = binary.AppendUvarint(dst, uint64(len(c.guids)))
	dst = append(dst, c.guids...)
	dst = p.enc.EncodeAll(c.messages, dst)
	binary.LittleEndian.PutUint32(dst[start+1:], checksum(first, dst[start+bodyHead:]))
	return dst
}

// unpack returns the contents of a stored block. Its messages are in buf if
// that is large enough, its GUIDs are part of body.
func (p *packer) unpack(first uint64, body, buf []byte) (contents, error) {
	if len(body) < bodyHead || body[0] != bodyVersion ||
		binary.LittleEndian.Uint32(body[1:]) != checksum(first, body[bodyHead:]) {
		return contents{}, errMalformed
	}
	r := reader{b: body[bodyHead:]}
	size, ids := r.uvarint(), r.uvarint()
	guids := r.take(ids)
	if r.bad || size > maxBlockBytes {
		return contents{}, errMalformed
	}
	if uint64(cap(buf)) < size {
		buf = make([]byte, 0, size)
	}
	messages, err := p.dec.DecodeAll(r.b, buf[:0])
	if err != nil {
		return contents{}, err
	}
	if uint64(len(messages)) != size {
		return contents{}, errMalformed
	}
	return contents{messages, guids}, nil
}
