package sigma

// NodeKind says what a [Node] is.
type NodeKind uint8

// The kinds of node.
const (
	NullNode NodeKind = iota
	BoolNode
	NumberNode
	StringNode
	ListNode
	MapNode
)

var kindNames = [...]string{"null", "a boolean", "a number", "a text", "a list", "a map"}

// String returns the kind with its article, as messages say it.
func (k NodeKind) String() string {
	if int(k) >= len(kindNames) {
		return "something unknown"
	}
	return kindNames[k]
}

// Node is a value of a rule file with the place where it stands.
type Node struct {
	Kind NodeKind
	// Text is the value of a scalar as it was written: "true", "4444", the text.
	Text string
	// Quoted says that a text stood in quotation marks or in a block.
	Quoted bool
	List   []*Node
	// Map has the members of a map in the order of the file.
	Map []Pair
	// Line and Column count from 1.
	Line, Column int
}

// Pair is a member of a map, with the place of its key.
type Pair struct {
	Key          string
	Line, Column int
	Value        *Node
}

// Get returns the value of a member of a map, nil if there is none.
func (n *Node) Get(key string) *Node {
	if n == nil {
		return nil
	}
	for i := range n.Map {
		if n.Map[i].Key == key {
			return n.Map[i].Value
		}
	}
	return nil
}

// Scalar reports whether the node is one value: no list, no map.
func (n *Node) Scalar() bool { return n.Kind < ListNode }
