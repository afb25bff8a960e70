// Package crash has no code: its tests kill agentd, and the engine beneath it, again and again under a steady load, and
// let an independent checker look at the engine, the mounts, the disk, the processes, the records and the users' files
// after each blow.
package crash
