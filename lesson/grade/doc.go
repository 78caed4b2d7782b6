// Package grade runs the checks of the exercises on the submissions of a class, and trusts
// none of them.
//
// # What is read
//
// A folder has a folder for each student. Of what is in there only the files of the
// exercises are read: NAME.go, or NAME/NAME.go, or lesson/exercises/NAME/NAME.go where a
// student hands in a whole fork; the first of these that is there. Where there are none
// and the student's folder has but one folder, as archives have, that one counts. They must
// be regular files inside the student's folder and at most 1 MiB. Whatever else there is,
// tests and checks above all, is never read.
//
// # What is run
//
// First the worked solution of every exercise: it must get all points, so that a course
// that does not compile, or a limit that is too low, stops the grader and is not taken for
// a class that failed. Its points are what the exercise is worth.
//
// Then every student has a temporary copy of the parts of the module that the tests need,
// and for each exercise:
//
//  1. The gate parses the file. It lets through imports from a list, all of them packages
//     that only compute, but for a few names that it does not let through; and no compiler
//     directives. So what runs cannot name a file, a socket or a process, nor package
//     check, nor an exercise's answer.
//  2. The compiler makes a test of the student's file and the course's test, with limits
//     of its own.
//  3. The test runs in a process with limits on time, memory, processor time and files,
//     and, on Linux, shut off: see below. It gets a secret on its standard input, which
//     package check takes before any of the student's code runs, and reports over its
//     standard output with the secret. What the answer prints goes elsewhere, and is
//     thrown away. Points count if there was one report, of this exercise, with the secret,
//     and the process ended by itself with the exit code that goes with the report.
//
// # Two layers
//
// The gate is the first layer and the limits of the process are the second, which holds
// if the first has a hole. On Linux the second layer is, as far as the system has it:
//
//   - namespaces of its own for the network, processes, users and shared memory;
//   - Landlock: no file can be opened but the test itself, and none written;
//   - a seccomp filter: no sockets, no new processes, no looking into other processes;
//   - no capabilities, should the grader be root;
//   - limits (setrlimit) on memory, processor time, the size and number of files.
//
// The process applies them to itself, in [Child], and then becomes the test. On other
// systems there are the limits on time and output, on memory by a watch in package check,
// and on macOS the limits of setrlimit; its sandbox-exec, which is deprecated, is not used.
// [Sandbox] says what is in force.
//
// At most as many run at a time as the memory has room for, and should the system run out
// of it all the same, Linux is asked to end them before the grader.
//
// The student's code and the check share a process. Code that got past the gate, or that
// breaks Go's memory safety by a data race, could search the memory for the secret and
// forge a report, or call the check with an answer that is not the student's, if it could
// import it. It could claim points, and do nothing else. Off Linux it could read and write
// what the grader can.
package grade
