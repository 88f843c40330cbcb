package main

import (
	"errors"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling/internal/client"
)

func newCertificateCommand() *cobra.Command {
	var hub hubFlags
	cmd := &cobra.Command{
		Use:     "certificate",
		Short:   "See the hub's certificate and what devices are to trust",
		Example: "  tvilling certificate show\n  tvilling certificate ca > tvilling-ca.pem",
	}
	hub.add(cmd)
	cmd.AddCommand(newCertificateShowCommand(&hub), newCertificateCACommand(&hub))
	return cmd
}

func newCertificateShowCommand(hub *hubFlags) *cobra.Command {
	return &cobra.Command{
		Use:     "show",
		Short:   "Show the server certificate, and the authority that devices are to trust",
		Example: "  tvilling certificate show\n  tvilling certificate show --json | jq -r .server.notAfter",
		Args:    cobra.NoArgs,
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			got, err := c.Certificates(cmd.Context())
			if err != nil {
				return err
			}
			if hub.json {
				return writeJSON(cmd.OutOrStdout(), got)
			}
			return printCertificates(cmd.OutOrStdout(), got)
		}),
	}
}

func printCertificates(w io.Writer, c *client.Certificates) error {
	p := newPrinter(w, false)
	row := func(name string, value any) {
		_ = p.row(nil, name, value) // errors come at the flush
	}
	facts := func(title string, c *client.Certificate) {
		row(title, c.Subject)
		if len(c.Names) > 0 {
			row("For", strings.Join(c.Names, ", "))
		}
		row("Issuer", c.Issuer)
		row("Valid", when(c.NotBefore)+" to "+when(c.NotAfter))
		row("SHA-256", c.SHA256)
		row("Serial", c.Serial)
		row("Key", c.Key)
	}
	facts("Server", &c.Server)
	made := "given to the hub"
	if c.Own {
		made = "the hub itself"
	}
	row("Made by", made)
	if c.Authority == nil {
		row("Authority", "known to systems; devices need no file")
	} else {
		facts("Authority", c.Authority)
	}
	return p.flush()
}

func newCertificateCACommand(hub *hubFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "ca",
		Short: "Print the certificate that devices are to trust, as PEM",
		Long: `Print the certificate of the authority that devices are to trust, as PEM. Ends
with status 1 if systems know it anyway, so that devices need no file.`,
		Example: "  tvilling certificate ca > tvilling-ca.pem",
		Args:    cobra.NoArgs,
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			got, err := c.Certificates(cmd.Context())
			switch {
			case err != nil:
				return err
			case got.PEM == "":
				return errors.New("devices need no authority of this hub: its certificate is signed by one that systems know")
			case hub.json:
				return writeJSON(cmd.OutOrStdout(), map[string]string{"pem": got.PEM})
			}
			_, err = io.WriteString(safely(cmd.OutOrStdout()), got.PEM)
			return err
		}),
	}
}
