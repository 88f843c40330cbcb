// Package rules has the hub's own Sigma rules, one file each, and the indicator
// lists that rehearsals need. It holds texts only: package detect reads and
// runs them. Beside the rules lies the corpus that they are measured with
// (testdata, read by package corpus).
package rules
