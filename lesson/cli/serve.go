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
		Short: "Classify images on a web page",
		Long: `Classify images on a web page: drop an image on it and see the five most probable classes,
and which part of the image led to the top guess. Programs can request the same results as
JSON.

The page is reachable only from this machine, unless --addr says otherwise. Images are not
stored. Ctrl-C stops the server.`,
		Example: `  go run ./lesson serve --run runs/resnet20-fast-1
  go run ./lesson serve --weights resnet50 --addr 127.0.0.1:0    # any free port
  curl --data-binary @cat.jpg 'http://127.0.0.1:8080/predict?top=3'`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, l := cmd.OutOrStdout(), language(cmd)
			network, m, err := f.loadNetwork(cmd)
			if err != nil {
				return err
			}
			defer network.Finalize()
			var config net.ListenConfig
			listener, err := config.Listen(cmd.Context(), "tcp", address)
			if err != nil {
				return fmt.Errorf("%w; --addr takes HOST:PORT, and 127.0.0.1:0 picks any free port", err)
			}
			defer listener.Close()
			// The first prediction compiles the network, and no client should wait for that.
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
				fmt.Fprintln(w, l.Sprintf("Note: anyone who can reach this machine at %s can send it images; the connection is not encrypted.", at))
				if at.IP.IsUnspecified() {
					at.IP = net.IPv4(127, 0, 0, 1)
				}
			}
			fmt.Fprintln(w, l.Sprintf("Serving %s at http://%s/ until Ctrl-C", m.Config.Name, at))
			if err := server.Serve(cmd.Context(), listener); err != nil {
				return err
			}
			fmt.Fprintln(w, l.Text("Stopped."))
			return nil
		},
	}
	f.add(cmd, "backend", "weights", "model", "normalize", "run")
	cmd.Flags().StringVar(&address, "addr", "127.0.0.1:8080", "address to listen on; port 0 picks any free port")
	return cmd
}
