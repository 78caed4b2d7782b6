//go:build !linux

package cli

import "github.com/spf13/cobra"

// The limits of ulimit are explained only on Linux; see limits_linux.go.

func explainMemory() {}

func watchCommand() *cobra.Command { return nil }

func limitAdvice(error) string { return "" }
