package cli

import (
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"github.com/residual-go/residual/pkg/serve"
)

func serveCommand() *cobra.Command {
	var f flags
	var address string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Say what is in pictures on a page in the browser",
		Long: `Say what is in pictures on a page in the browser: drop one on it, and see the five
likeliest classes and where in the picture the network found the first. Programs get
the same as JSON.

It answers on this machine alone, unless --addr says otherwise, and keeps no picture.
Ctrl-C ends it.`,
		Example: `  go run ./lesson serve --run runs/resnet20-fast-1
  go run ./lesson serve --weights resnet50 --addr 127.0.0.1:0    # any free port
  curl --data-binary @cat.jpg 'http://127.0.0.1:8080/predict?top=3'`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w := cmd.OutOrStdout()
			network, m, err := f.network(cmd)
			if err != nil {
				return err
			}
			defer network.Finalize()
			var config net.ListenConfig
			listener, err := config.Listen(cmd.Context(), "tcp", address)
			if err != nil {
				return fmt.Errorf("%w; --addr takes HOST:PORT, and 127.0.0.1:0 for any free port", err)
			}
			defer listener.Close()
			// The first run compiles the network; whoever asks first should not wait for it.
			t := m.Transform
			if _, err := network.Explain(make([]byte, t.Height*t.Width*3), t.Height, t.Width); err != nil {
				return fmt.Errorf("%s: %w", f.from(), err)
			}
			host, _, err := net.SplitHostPort(address)
			if err != nil {
				return fmt.Errorf("--addr %s: %w", address, err)
			}
			server := serve.New(network, serve.Model{Name: m.Config.Name, Data: m.Data, Classes: m.Classes, Transform: t},
				serve.Limits{}, host)
			defer server.Close()
			at := listener.Addr().(*net.TCPAddr)
			if !at.IP.IsLoopback() {
				fmt.Fprintf(w, "Note: whoever reaches this machine at %s can send it pictures; nothing is encrypted.\n", at)
				if at.IP.IsUnspecified() {
					at.IP = net.IPv4(127, 0, 0, 1)
				}
			}
			fmt.Fprintf(w, "%s answers at http://%s/ until Ctrl-C\n", m.Config.Name, at)
			if err := server.Serve(cmd.Context(), listener); err != nil {
				return err
			}
			fmt.Fprintln(w, "Stopped.")
			return nil
		},
	}
	f.add(cmd, "backend", "weights", "run")
	cmd.Flags().StringVar(&address, "addr", "127.0.0.1:8080", "address to answer at; port 0 takes any free one")
	return cmd
}
