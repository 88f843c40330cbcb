package index

import "fmt"

// check compares what the columns count with the cells that there are, and the
// bytes that are accounted for with those that the parts have.
func (x *Index) check() (wrong []string) {
	sum := int64(0)
	for _, t := range []*table{&x.devices, &x.modules} {
		for _, c := range t.columns {
			sum += c.bytes.Load()
			wrong = append(wrong, t.checkColumn(c)...)
		}
		rows := int64(0)
		for _, b := range t.blocks() {
			for _, p := range b.parts {
				if p&isKnown != 0 {
					rows++
				}
			}
		}
		if rows != t.rows.Load() {
			wrong = append(wrong, fmt.Sprintf("%d rows, not %d", rows, t.rows.Load()))
		}
	}
	if sum > x.bytes.Load() {
		wrong = append(wrong, fmt.Sprintf("the columns have %d bytes of %d", sum, x.bytes.Load()))
	}
	return wrong
}

func (t *table) checkColumn(c *column) (wrong []string) {
	if c.gone.Load() {
		return nil
	}
	refs := make([]int32, len(c.refs))
	defined, inexact, raws, inner, bytes := int64(0), int64(0), int64(0), int64(0), int64(0)
	for _, b := range t.blocks() {
		if c.number < len(b.segs) {
			bytes += int64(b.segs[c.number].bytes())
		}
		for i := range blockRows {
			v := b.cell(c.number, i)
			k := v.code()
			switch {
			case !v.isCode():
				raws++
				defined++
				continue
			case k == undefined:
				continue
			case k&hashed != 0 || k == isSome || k == isUnknown:
				inexact++
			case k == isObject || k == isList:
				inner++
			case k >= firstCode:
				refs[k]++
			}
			defined++
		}
	}
	dead := 0
	bytes += int64(valueBytes * len(c.values))
	for _, k := range c.texts {
		bytes += entryBytes + int64(len(c.value(k).AppendText(nil)))
		if refs[k] == 0 {
			dead++
		}
	}
	for _, k := range c.numbers {
		bytes += entryBytes
		if refs[k] == 0 {
			dead++
		}
	}
	got := fmt.Sprint(c.defined.Load(), c.inexact.Load(), c.raws.Load(), c.inner.Load(), c.bytes.Load(), c.dead, c.refs)
	if want := fmt.Sprint(defined, inexact, raws, inner, bytes, dead, refs); got != want {
		wrong = append(wrong, fmt.Sprintf("%s: %s, want %s", c.name, got, want))
	}
	return wrong
}
