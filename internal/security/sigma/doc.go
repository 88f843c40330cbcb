// Package sigma reads and evaluates detection rules of the Sigma rules
// specification, version 2.
//
// [Parse] turns a tree of [Node] (what a rule file says, whatever codec read
// it) into a [Rule]; [Compile] turns the rules for one kind of record into a
// [Set]; [Set.Match] says which of them a record fulfils, and why.
//
// All the texts that the rules of a set look for in a field are searched in
// one pass over the field's value, and a rule is looked at only if a text
// without which it cannot match was found. A record that holds none of them
// costs that one pass, however many rules there are, and allocates nothing.
//
// What the specification leaves to the tool, and what is narrower here:
//
//   - A field may have several values; a condition holds if it holds for one
//     of them. null asks for a field that is absent, an empty text for a value
//     that is empty, exists for a value of any kind. not and neq negate the whole item,
//     so they hold for absent fields.
//   - Texts are compared without regard to case: rune by rune, by Unicode's
//     simple folding. cased, and regular expressions, regard it.
//   - An unquoted number is its decimal text. lt, lte, gt and gte compare a
//     value that is a decimal number, and hold for no other.
//   - Regular expressions are those of Go's regexp package, unanchored, over
//     the first [MaxRegexInput] bytes of a value. Look-around, back-references
//     and possessive quantifiers do not exist there and are refused.
//   - windash is kept as "one of five dashes" and not written out.
//   - Keywords are searched in the fields that [Options.Keywords] names.
//   - Aggregations (| count()), near, timeframe, correlation rules, filters and
//     the time modifiers are refused: stateful detections are programs, not
//     Sigma rules.
//
// It knows no event and no wire form, and reads no file.
package sigma
