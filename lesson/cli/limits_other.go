//go:build !linux

package cli

import "github.com/spf13/cobra"

// Only on Linux are the limits of ulimit explained; see limits_linux.go.

func explainMemory() {}

func watchCommand() *cobra.Command { return nil }

func limitAdvice(error) string { return "" }
