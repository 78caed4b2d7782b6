package main

import (
	"regexp"
	"strings"
)

// An instruction in HLO text looks like this:
//
//	%fusion.3 = (bf16[512,32,32,64]{3,2,1,0}, f32[64]{0}) fusion(%p0, %p1), kind=kLoop, calls=%fused_computation.3
//	ROOT convert.1 = f32[8]{0} convert(param_0)
//
// A shape contains spaces only inside the parentheses of a tuple, so the opcode is the first word
// between a space and a parenthesis.
var (
	instruction = regexp.MustCompile(`^\s+(?:ROOT )?%?[\w.-]+ = .*?[})\]] ([a-z][a-z0-9-]*)\(`)
	computation = regexp.MustCompile(`^(?:ENTRY )?%?([\w.-]+) .*\{\s*$|^(?:ENTRY )?%?([\w.-]+) \{\s*$`)
	fused       = regexp.MustCompile(`calls=%?([\w.-]+)`)
	applied     = regexp.MustCompile(`to_apply=%?([\w.-]+)`)
	target      = regexp.MustCompile(`custom_call_target="([^"]+)"`)
	library     = regexp.MustCompile(`(?i)conv|gemm|matmul`) // a target that is a convolution or a matrix product
)

// moving lists the opcodes that compute nothing: they change the layout or the type.
var moving = map[string]bool{"transpose": true, "copy": true, "convert": true}

// silent lists the opcodes that cost nothing.
var silent = map[string]bool{"parameter": true, "constant": true, "tuple": true, "get-tuple-element": true, "bitcast": true}

// countHLO counts the instructions that a compiled XLA program runs, each a kernel or a library call:
// library calls by their target, everything else by opcode. Instructions within a fusion are not
// counted. A fusion, or single instruction, that only transposes, copies or converts is counted under
// that name, for instance "transpose alone": a pass over memory that was not fused with other work.
func countHLO(text string) map[string]int {
	type entry struct{ opcode, calls, line string }
	bodies := map[string][]entry{}
	inner := map[string]bool{} // computations that belong to an instruction
	name := ""
	for line := range strings.Lines(text) {
		if m := instruction.FindStringSubmatch(line); m != nil {
			e := entry{opcode: m[1], line: line}
			if m := fused.FindStringSubmatch(line); m != nil && e.opcode == "fusion" {
				e.calls = m[1]
				inner[m[1]] = true
			}
			if m := applied.FindStringSubmatch(line); m != nil && e.opcode != "call" {
				inner[m[1]] = true
			}
			bodies[name] = append(bodies[name], e)
		} else if m := computation.FindStringSubmatch(line); m != nil {
			name = m[1] + m[2]
		}
	}
	counts := map[string]int{}
	for name, body := range bodies {
		if inner[name] {
			continue
		}
		for _, e := range body {
			kind := e.opcode
			switch {
			case silent[kind]:
				continue
			case kind == "fusion":
				only, mixed := "", false
				for _, part := range bodies[e.calls] {
					switch {
					case silent[part.opcode]:
					case !moving[part.opcode] || only != "" && only != part.opcode:
						mixed = true
					default:
						only = part.opcode
					}
				}
				if only != "" && !mixed {
					kind = only + " alone"
				}
			case moving[kind]:
				kind += " alone"
			case kind == "custom-call":
				if m := target.FindStringSubmatch(e.line); m != nil {
					kind = m[1]
				}
			}
			counts[kind]++
		}
	}
	return counts
}

// countProducts counts the convolutions and matrix products of a compiled XLA program: instructions, also
// within fusions, and library calls.
func countProducts(text string) int {
	n := 0
	for line := range strings.Lines(text) {
		m := instruction.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		switch m[1] {
		case "convolution", "dot":
			n++
		case "custom-call":
			if m := target.FindStringSubmatch(line); m != nil && library.MatchString(m[1]) {
				n++
			}
		}
	}
	return n
}
