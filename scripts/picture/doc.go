// Command picture records the first minute with the program, and draws it as a terminal
// of 80 columns for README:
//
//	picture record PROGRAM RECORDING    runs the commands, writes what they print and when
//	picture draw RECORDING PICTURE      makes an SVG of a recording
//
// A recording is a text file, one line for each line on the screen: when it appeared, in
// seconds since its command began, a tab, and the line. A line that begins with "$ " is a
// command, and its seconds say how long it took.
//
// The picture plays the recording once, in real time with pauses to read. What it shows
// at the end is also what a reader sees who prefers no motion. It knows nothing of what
// the program does.
package main
