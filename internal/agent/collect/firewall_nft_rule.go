//go:build linux

package collect

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// nftLoad is what a register holds.
type nftLoad struct {
	field fwField
	// label names a field that is fwOther.
	label  string
	number bool // it is a number in the machine's byte order
	size   int  // bytes
	whole  int  // bytes of the whole field, of which the first size are loaded
	// next is what follows in the packet, for loads of more than one field.
	next       *nftLoad
	mask       []byte // all ones if nil
	unreadable bool   // it was changed in a way that is not understood
	from       []byte // it is at least that
}

// nftRule follows the expressions of one rule, as the kernel runs them.
type nftRule struct {
	chain *nftChain
	sets  map[nftName]*nftSet
	link  func(int) string

	rule      *fwRule
	registers [16]*nftLoad // each of 32 bits; a load is at its first
	version   uint8        // NFPROTO_IPV4 or NFPROTO_IPV6, once it is known
	statement string       // the last one that is no condition
	out       []*fwRule
	ended     bool
}

// decode turns a rule into rules of the kind that items have: one, or one for
// each element of a verdict map.
func (s *nftRuleset) decode(c *nftChain, attrs []byte, link func(int) string) []*fwRule {
	d := &nftRule{chain: c, sets: s.sets, link: link, rule: &fwRule{}}
	if f := c.name.family; f == unix.NFPROTO_IPV4 || f == unix.NFPROTO_IPV6 {
		d.version = f
	}
	a := attributeList(attrs)
	d.rule.comment = nftComment(a[unix.NFTA_RULE_USERDATA])
	eachExpression(a[unix.NFTA_RULE_EXPRESSIONS], func(name string, a [16][]byte) {
		if !d.ended {
			d.expression(name, a)
		}
	})
	d.flush()
	if !d.ended && len(d.out) == 0 {
		d.rule.action, d.rule.target = "Other", d.statement
		if d.statement == "" {
			d.rule.target = "continue"
		}
		d.out = append(d.out, d.rule)
	}
	return d.out
}

// nftComment returns the comment of a rule: nft keeps it as type 0 of records
// of type, length and value.
func nftComment(b []byte) string {
	for len(b) >= 2 && int(b[1]) <= len(b)-2 {
		v := b[2 : 2+int(b[1])]
		if b[0] == 0 {
			return textAttribute(v)
		}
		b = b[2+int(b[1]):]
	}
	return ""
}

// expression takes one expression in.
func (d *nftRule) expression(name string, a [16][]byte) {
	switch name {
	case "meta", "payload", "ct", "exthdr", "fib", "rt", "socket", "osf", "hash", "numgen", "xfrm", "tunnel":
		d.load(name, a)
	case "bitwise":
		d.bitwise(a)
	case "byteorder": // numbers stay what they are
		d.move(a[unix.NFTA_BYTEORDER_SREG], a[unix.NFTA_BYTEORDER_DREG])
	case "cmp":
		d.compare(a)
	case "range":
		d.span(a)
	case "lookup":
		d.lookup(a)
	case "immediate":
		if v := parseVerdict(attributeList(a[unix.NFTA_IMMEDIATE_DATA])[unix.NFTA_DATA_VERDICT]); v.given {
			d.flush()
			d.out = append(d.out, d.verdict(d.rule, v))
			d.ended = v.code != unix.NFT_CONTINUE
		} else if r := nftRegister(a[unix.NFTA_IMMEDIATE_DREG]); r >= 0 {
			d.registers[r] = &nftLoad{label: "value", unreadable: true}
		}
	case "match":
		d.flush()
		d.rule.match(textAttribute(a[unix.NFTA_MATCH_NAME]), uint8(wordAttribute(a[unix.NFTA_MATCH_REV])), a[unix.NFTA_MATCH_INFO])
	default:
		d.does(name, a)
	}
}

// does takes a statement in: something that is done with a packet.
func (d *nftRule) does(name string, a [16][]byte) {
	switch name {
	case "counter", "last":
	case "notrack", "log", "dup":
		d.statement = name
	case "limit":
		d.rule.condition(nftLimit(a))
	case "objref": // counters count; quotas and limits restrict
		d.statement = "object"
		if kind := wordAttribute(a[unix.NFTA_OBJREF_IMM_TYPE]); kind != unix.NFT_OBJECT_COUNTER {
			d.rule.condition("object " + textAttribute(a[unix.NFTA_OBJREF_IMM_NAME]))
		}
	case "reject":
		d.end("Deny", "reject")
	case "target":
		target := textAttribute(a[unix.NFTA_TARGET_NAME])
		switch {
		case target == "REJECT":
			d.end("Deny", "reject")
		case slices.Contains(passingTargets, target):
			d.statement = target
		default:
			d.end("Other", target)
		}
	case "masq":
		d.end("Other", "masquerade")
	case "redir":
		d.end("Other", "redirect")
	case "nat", "tproxy", "queue", "fwd", "synproxy":
		d.end("Other", name)
	case "dynset":
		d.rule.condition("set " + textAttribute(a[unix.NFTA_DYNSET_SET_NAME]) + " takes it")
	default:
		d.rule.condition(name)
	}
}

// passingTargets are targets of iptables behind which a rule's packets go on.
var passingTargets = []string{"LOG", "NFLOG", "MARK", "CONNMARK", "TCPMSS", "AUDIT", "CT", "SET", "TRACE", "CLASSIFY", "DSCP", "TOS", "CHECKSUM", "CONNSECMARK", "SECMARK", "TTL", "HL"}

func (d *nftRule) end(action, target string) {
	d.flush()
	d.rule.action, d.rule.target = action, target
	d.out, d.ended = append(d.out, d.rule), true
}

// verdict sets what becomes of the packets of r.
func (d *nftRule) verdict(r *fwRule, v nftVerdict) *fwRule {
	r.action = "Other"
	switch v.code {
	case nfAccept:
		r.action = "Allow"
	case nfDrop:
		r.action = "Deny"
	case unix.NFT_JUMP, unix.NFT_GOTO:
		r.target = nftName{d.chain.name.family, d.chain.name.table, v.chain}.String()
		r.goesTo = v.code == unix.NFT_GOTO
	case unix.NFT_RETURN:
		r.target = "return"
	case unix.NFT_CONTINUE:
		r.target = "continue"
	case unix.NFT_BREAK:
		r.target = "break"
	default:
		r.target = "queue"
		if v.code&0xff != nfQueue {
			r.target = fmt.Sprintf("verdict %d", v.code)
		}
	}
	return r
}

func nftLimit(a [16][]byte) string {
	var rate, unit uint64
	for _, b := range a[unix.NFTA_LIMIT_RATE] {
		rate = rate<<8 | uint64(b)
	}
	for _, b := range a[unix.NFTA_LIMIT_UNIT] {
		unit = unit<<8 | uint64(b)
	}
	what, over := "", ""
	if wordAttribute(a[unix.NFTA_LIMIT_TYPE]) == unix.NFT_LIMIT_PKT_BYTES {
		what = " bytes"
	}
	if wordAttribute(a[unix.NFTA_LIMIT_FLAGS])&unix.NFT_LIMIT_F_INV != 0 {
		over = "over "
	}
	return "limit " + over + rateText(rate, unit) + what
}

// rateText returns a rate in the words of nft: so many in so many seconds.
func rateText(n, seconds uint64) string {
	switch seconds {
	case 1:
		return fmt.Sprintf("%d/second", n)
	case 60:
		return fmt.Sprintf("%d/minute", n)
	case 3600:
		return fmt.Sprintf("%d/hour", n)
	case 86400:
		return fmt.Sprintf("%d/day", n)
	default:
		return fmt.Sprintf("%d/%d seconds", n, seconds)
	}
}
