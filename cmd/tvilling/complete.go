package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling/internal/client"
)

// completes lets a shell complete the words of a flag.
func completes(cmd *cobra.Command, flag string, words ...string) {
	completesBy(cmd, flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}

// completion is what cobra calls for the words that fit next.
type completion = func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective)

// ask completes with what the hub says, if it says it soon.
func (h *hubFlags) ask(f func(ctx context.Context, c *client.Client) ([]string, error)) completion {
	return func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		c, err := h.open()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer c.Close()
		ctx := cmd.Context()
		if ctx == nil {
			ctx = context.Background()
		}
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		words, err := f(ctx, c)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeAlerts completes with the alerts that are open.
func (h *hubFlags) completeAlerts(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	return h.ask(func(ctx context.Context, c *client.Client) ([]string, error) {
		list, _, err := c.AlertPage(ctx, client.AlertFilter{Status: []string{"open"}}, client.Paging{PageSize: 50})
		var words []string
		for _, a := range list {
			words = append(words, shortID(a.ID)+"\t"+oneLine(a.Type+" on "+string(a.Device)))
		}
		return words, err
	})(cmd, args, begun)
}

// completeDetections completes with the ids of detections.
func (h *hubFlags) completeDetections(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return h.ask(func(ctx context.Context, c *client.Client) ([]string, error) {
		list, err := c.Detections(ctx)
		var words []string
		for _, d := range list {
			words = append(words, oneLine(d.ID)+"\t"+oneLine(d.Title))
		}
		return words, err
	})(cmd, args, begun)
}

// completeRecommendations completes with the types of recommendations.
func (h *hubFlags) completeRecommendations(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return h.ask(func(ctx context.Context, c *client.Client) ([]string, error) {
		list, err := c.RecommendationTypes(ctx)
		var words []string
		for _, t := range list {
			words = append(words, oneLine(t.Type)+"\t"+oneLine(t.Title))
		}
		return words, err
	})(cmd, args, begun)
}

// completeSinks completes with the names of sinks.
func (h *hubFlags) completeSinks(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	return h.ask(func(ctx context.Context, c *client.Client) ([]string, error) {
		list, err := c.Sinks(ctx)
		var words []string
		for _, s := range list {
			words = append(words, oneLine(s.Name)+"\t"+oneLine(s.Kind))
		}
		return words, err
	})(cmd, args, begun)
}
