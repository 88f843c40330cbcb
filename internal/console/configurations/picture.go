package configurations

import (
	"fmt"
	"html/template"
	"strings"

	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/hub/configuration"
)

// step is one step of a rollout as it is drawn.
type step struct {
	// Share is to how many it comes: "5%", "500", "all".
	Share string
	// State is "done", "now" or "next".
	State string
	// Word says it in words.
	Word string
	// Part is how much of the step is done, in percent.
	Part int
}

// StepList are the steps of the rollout, with the one for all that are left.
func (s *standing) StepList() (list []step) {
	r := s.Configuration.Rollout
	if r == nil || s.Steps == 0 {
		return nil
	}
	before := int64(0)
	for i := range s.Steps {
		st := step{Share: "all"}
		if i < len(r.Steps) {
			st.Share = r.Steps[i].String()
		}
		reach := s.reach(i)
		switch n := i + 1; {
		case n < s.Step || s.Progress.State == configuration.Applied:
			st.State, st.Word, st.Part = "done", "done", 100
		case n > s.Step || s.Progress.State == configuration.RolledBack || s.Progress.State == configuration.RollingBack:
			st.State, st.Word = "next", "to come"
		default:
			st.State, st.Word = "now", strings.ToLower(s.StateText())
			if reach > before {
				st.Part = int(max(0, min(100, 100*(s.Metrics.Applied-before)/(reach-before))))
			}
		}
		before = reach
		list = append(list, st)
	}
	return list
}

// reach is to how many twins a step comes, as far as that can be told.
func (s *standing) reach(i int) int64 {
	r := s.Configuration.Rollout
	if i+1 == s.Step && s.Reach >= 0 {
		return s.Reach
	}
	if i >= len(r.Steps) {
		return s.Metrics.Targeted
	}
	if r.Steps[i].Percent > 0 {
		return int64((r.Steps[i].Percent*float64(s.Metrics.Targeted) + 99.999) / 100)
	}
	return min(int64(r.Steps[i].Count), s.Metrics.Targeted)
}

// Picture draws the steps as one bar: what is done, what is under way, what is
// to come. The words stand beside it.
func (s *standing) Picture() template.HTML {
	steps := s.StepList()
	if len(steps) == 0 {
		part := 0.0
		if s.Metrics.Targeted > 0 {
			part = float64(s.Metrics.Applied) / float64(s.Metrics.Targeted)
		}
		return bar([]float64{min(1, part)}, 1, s.ink())
	}
	parts := make([]float64, len(steps))
	for i, st := range steps {
		parts[i] = float64(st.Part) / 100
	}
	return bar(parts, len(steps), s.ink())
}

// ink is the fill of what is done: that of medium severity when it stopped by
// itself.
func (s *standing) ink() string {
	switch s.Progress.State {
	case configuration.Halted, configuration.RollingBack, configuration.RolledBack:
		return "f-medium"
	default:
		return "f-ink"
	}
}

func bar(parts []float64, n int, fill string) template.HTML {
	const width, gap = 1000.0, 4.0
	each := (width - gap*float64(n-1)) / float64(n)
	var b strings.Builder
	b.WriteString(`<svg class="rollout" viewBox="0 0 1000 12" preserveAspectRatio="none" aria-hidden="true">`)
	for i, part := range parts {
		x := float64(i) * (each + gap)
		fmt.Fprintf(&b, `<rect class="f-track" x="%.2f" width="%.2f" height="12"/>`, x, each)
		if part > 0 {
			fmt.Fprintf(&b, `<rect class="%s" x="%.2f" width="%.2f" height="12"/>`, fill, x, each*part)
		}
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String()) //nolint:gosec // numbers and constants only
}

// Sentence says how far it is, in a sentence.
func (s *standing) Sentence() string {
	twins := ui.Plural(s.Metrics.Targeted, s.Noun())
	if s.Unknown != "" {
		twins = "its " + s.Noun() + "s"
	}
	switch s.Progress.State {
	case configuration.Applied:
		return "Every targeted twin was looked at; new ones follow within a second."
	case configuration.Applying:
		if s.Steps > 0 {
			return fmt.Sprintf("Step %d of %d is being written.", s.Step, s.Steps)
		}
		return "It is being written to " + twins + "."
	case configuration.Waiting:
		return fmt.Sprintf("Step %d of %d is finished and watched.", s.Step, s.Steps)
	case configuration.Paused:
		return "Nothing is written for it until it is resumed. What is written stays."
	case configuration.Halted:
		return fmt.Sprintf("It went no further than step %d of %d. What is written stays.", s.Step, s.Steps)
	case configuration.RollingBack:
		return "What it wrote is being taken back, everywhere."
	case configuration.RolledBack:
		return "What it wrote is taken back. It begins anew when it is resumed."
	default:
		return ""
	}
}
