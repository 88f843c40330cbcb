package search

import (
	"context"
	"iter"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/query"
)

// Row returns the row of an identity as it is now, nil if there is none. Its
// other records are read when a member of them is first asked for, for as long
// as ctx lasts; what that comes to is the row's Err, of code DeviceNotFound or
// ModuleNotFound if the identity was deleted meanwhile.
func (s *Service) Row(ctx context.Context, id tvilling.Identity) (query.Row, error) {
	t, err := s.opt.Store.Twin(ctx, id)
	if err != nil || t == nil {
		return nil, err
	}
	return (&reader{s, ctx}).row(t), nil
}

// Each gives the identities behind after that q finds, ascending. It reads them
// in parts, each of them as of when it is read, and holds nothing between them:
// a slow reader is in nobody's way. A twin that cannot be read is an error of
// code Corrupt, after which it goes on; any other error is the last.
func (s *Service) Each(ctx context.Context, q *query.Query, after tvilling.Identity) iter.Seq2[tvilling.Identity, error] {
	return func(yield func(tvilling.Identity, error) bool) {
		for {
			p, err := s.part(ctx, q, after)
			for _, f := range p.found {
				if !yield(f.id, f.err) {
					return
				}
			}
			if err != nil {
				yield(tvilling.Identity{}, err)
				return
			}
			if !p.more {
				return
			}
			after = p.last
		}
	}
}

const (
	// partMost bounds the identities of a part of Each, partTime the time that
	// it may take while others wait.
	partMost = 4096
	partTime = time.Second
)

// part is a part of what Each gives.
type part struct {
	found []found
	// last is up to where the part has looked; more says that there is more.
	last tvilling.Identity
	more bool
}

type found struct {
	id  tvilling.Identity
	err error
}

func (s *Service) part(ctx context.Context, q *query.Query, after tvilling.Identity) (p part, err error) {
	r, err := s.begin(ctx, q)
	if err != nil {
		return part{}, err
	}
	defer r.done()
	if err := r.enter(ctx); err != nil {
		return part{}, err
	}
	if r.plan == Index {
		f, err := r.opt.Index.Find(ctx, q, after, partMost)
		if err != nil {
			return part{}, err
		}
		if f.Doubtful == 0 && f.Damaged == 0 {
			for _, id := range f.IDs {
				p.found = append(p.found, found{id: id})
			}
			if p.more = f.More; p.more {
				p.last = f.IDs[len(f.IDs)-1]
			}
			r.work.Found = int64(len(f.IDs))
			return p, nil
		}
	}
	l := s.looker(ctx, q)
	defer func() { r.examined.Add(l.examined) }()
	p.last = after
	until := time.Now().Add(partTime)
	for h := range r.hits(l, after, partMost) {
		if h.err != nil {
			if tvilling.CodeOf(h.err) != tvilling.Corrupt {
				return p, h.err
			}
			p.found = append(p.found, found{err: h.err})
			continue
		}
		p.last = h.row.ID()
		if h.matches {
			p.found = append(p.found, found{id: p.last})
			r.work.Found++
		}
		if p.last != after && (len(p.found) >= partMost || time.Now().After(until)) {
			p.more = true
			return p, nil
		}
	}
	return p, nil
}

// Count returns how many rows q finds by its condition alone. Twins that cannot
// be read are not counted.
func (s *Service) Count(ctx context.Context, q *query.Query) (int64, error) {
	r, err := s.begin(ctx, q)
	if err != nil {
		return 0, err
	}
	defer r.done()
	if r.plan == Index {
		if !r.guessed {
			if err := r.guess(ctx); err != nil {
				return 0, err
			}
		}
		if r.count.Doubtful == 0 && r.count.Damaged <= damagedMost {
			n, ok := r.count.Sure, true
			if r.count.Damaged > 0 {
				ok, err = r.damaged(ctx, func(query.Row) error { n++; return nil }, func(error) error { return nil })
			}
			if err != nil {
				return 0, err
			}
			if ok {
				r.work.Found = n
				return n, nil
			}
		}
		r.plan = r.documents()
		r.work.Plan = r.plan
	}
	if err := r.enter(ctx); err != nil {
		return 0, err
	}
	begin := func() (*int64, error) { return new(int64), nil }
	counts, err := gather(ctx, r, begin, func(n *int64, _ query.Row) error { *n++; return nil }, func(error) error { return nil })
	for _, n := range counts {
		r.work.Found += *n
	}
	return r.work.Found, err
}
