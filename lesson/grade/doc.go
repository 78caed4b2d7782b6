// Package grade runs the checks of the exercises on the submissions of a class, without
// trusting any of them.
//
// # Where to find what
//
//	submission.go        finds who handed in, in the folder of a class
//	owner.go             reads whose a file is, and which exercise's, from its name
//	listing.go           lists a student's files and reads them, within limits
//	archive.go           reads zip archives without unpacking them
//	answers.go           finds a student's answer to an exercise, or says why it is unclear
//	notebook.go          takes an answer from the cells of a Jupyter notebook
//	gate.go              forbids imports, names and compiler directives
//	grade.go             grades a class: [Run], the types of the results
//	earlier.go           takes over what has not changed since an earlier run, and merges grades
//	course.go            reads the parts of the module that the tests need
//	workshop.go          compiles, links and runs answers
//	judge.go             turns the outcome into a mark, and decides whether the answer is to blame for a failure
//	hints.go             knows the hints that an exercise's check can give
//	image_*.go           measures the memory that a program takes before it runs
//	leftover.go          makes the temporary folder of a run, and removes those of killed runs
//	process.go           runs a process with limits on time and output
//	sandbox.go           [Sandbox]: what this system can keep submissions from
//	sandbox_unix.go      starts the process that limits itself and becomes the test; sets
//	                     its limits with setrlimit
//	sandbox_linux.go     decides which memory limits; shuts off files with Landlock; namespaces
//	seccomp_linux.go     shuts off the network and other processes with seccomp
//	output.go, text.go   write the grades as a table, CSV and JSON
//
// # What is read
//
// A class is a folder with a folder, an archive or files for each student. Whose a loose file
// is, its name says: as Moodle, Canvas and Blackboard name their downloads, or as in ada.zip and
// ada_outputsize.go. Whatever else is there gets a row of its own, or is named in a warning.
//
// From a student's files, the answer to exercise NAME is taken from NAME.go wherever it is, in
// upper or lower case, and also if it is called NAME.go.txt; from a file of another name whose
// package clause says NAME and that has a function of the exercise; or, if there is neither,
// from the cells of a notebook. Of a copy of the course only the folders of the exercises count.
// The file that is handed out does not count beside an answer, nor do files with the same text.
// If there are still several, the newest is taken if their names number attempts, and none
// otherwise: the mark is then [NotMarked], with the reason. An answer is one file; a second file
// of the package is not read, and a warning says so.
//
// Files must be regular files inside the student's folder, of at most 1 MiB. Zip archives are
// read in memory and never unpacked, one inside another at most, and refused if they have a path
// that leads out of them, too many files, or far more content than their size allows. Nothing
// else is read, least of all tests and checks.
//
// # What is run
//
// First comes the worked solution of every exercise. It must earn all points: otherwise the
// course does not compile, say, or a limit is too low, and grading stops with an error
// instead of failing the class. The solution's points are what the exercise is worth.
//
// For each answer:
//
//  1. The gate parses the file. It allows imports from a list of packages that only compute,
//     except for a few names in them, and no compiler directives. So the code has no name for
//     a file, a socket or a process, nor for package check or an exercise's answer.
//  2. The compiler compiles the student's file and the course's test of it, with limits of
//     its own on time, memory and the size of files. The packages of the course have been
//     compiled before, by the go command, which never sees an answer: nothing of an answer gets
//     into the build cache. All files of a run are in one temporary folder. It is removed at
//     the end, and after a kill by the next run.
//  3. The linker links the tests of a few answers into one program, because linking takes most
//     of the time. An answer that would do something without being called, in an init
//     function or for a package variable, or that is large, gets a program of its own.
//  4. Each test runs in a process of its own with limits on time, memory, processor time and
//     files. On Linux it is also isolated, as described below. It gets a secret on its standard
//     input, which package check reads before any of the student's code runs, and it reports on
//     its standard output with the secret. What the answer prints goes elsewhere and is thrown
//     away. Points count if there was exactly one report, for this exercise, with the
//     secret, and the process ended by itself with the exit code that matches the report.
//
// A report is trusted no further than needed. Its steps must be those that the worked solution's
// report had, each with the same points, so no answer gets more than the exercise is worth. Hints
// count by name if they are in the source of the exercise's check, which is where their texts are
// taken from. Messages are cut off and cleaned of control characters.
//
// # Who is to blame
//
// A student loses points for what the answer does, and for nothing else. If a disk is full, a
// tool is missing, or the system ends a process or refuses it memory, the mark is [NotGraded],
// which is no 0, and the next run tries again. The answer is to blame for an error at one
// of its lines, and for reaching a limit of its own: its time, its size when compiled, or its
// memory, if it used at least half of what it may. judge.go has the rules.
//
// # What is marked again
//
// A mark is kept with a fingerprint of the answer, of the course's files that it is marked with,
// of the version of Go and of the grader, and of the limits if they may have decided it. A later
// run reuses it if the fingerprint is the same. Two answers with the same text are marked
// once.
//
// # Two layers
//
// The gate is the first layer. The limits of the process are the second, which holds if the
// first has a hole. On Linux it consists, as far as the system supports it, of
//
//   - separate namespaces for network, processes, users and shared memory;
//   - Landlock: no file can be opened but the test itself, and none can be written;
//   - a seccomp filter: no sockets, no new processes, no access to other processes;
//   - no capabilities, should the grader run as root;
//   - limits on memory, processor time, and the size and number of files (setrlimit).
//
// The process applies them to itself, in [Child], and then becomes the test. They are plain
// system calls on the one thread that becomes the test; we use no library for Landlock and
// seccomp because go-landlock restricts all threads of a Go process and libseccomp needs cgo.
//
// Namespaces are not everywhere; the filter and Landlock do without. If one of these is missing,
// [Run] stops unless [Options] say WithoutSandbox. Other systems have the limits on time and
// output, a memory limit that package check enforces, and on macOS those of setrlimit; macOS's
// sandbox-exec is deprecated and not used. [Sandbox] says what is in force.
//
// Only as many submissions run at once as fit into memory by their limits. If memory runs out
// all the same, Linux is told to end them before the grader.
//
// # What cannot be prevented
//
// The student's code and the check share a process, because the check calls the answer, and hands
// it graphs and functions. So code that gets past the gate, or that breaks Go's memory safety with
// a data race, can do whatever the check can: search the memory for the secret and forge a report,
// or change what the check compares. No secret, and no exit code, can help against that inside one
// process. What it gains is bounded: at most the points of the exercise, with one of the
// exercise's own hints, for this student alone. A race in an answer without goroutines deserves a
// look. On systems other than Linux such code could also read and write whatever the grader can.
package grade
