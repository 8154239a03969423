// Package filter says which points a request is about, by their payload and ID, in the JSON that Qdrant's clients write.
package filter

// Filter is a condition on points: every one of Must holds, at least one of Should (if there are any), none of MustNot,
// and as many of MinShould as it asks. The zero Filter lets every point through.
type Filter struct {
	Must      []Condition `json:"must,omitempty"`
	Should    []Condition `json:"should,omitempty"`
	MustNot   []Condition `json:"must_not,omitempty"`
	MinShould *MinShould  `json:"min_should,omitempty"`
}

// MinShould asks that at least MinCount of the conditions hold.
type MinShould struct {
	Conditions []Condition `json:"conditions"`
	MinCount   int         `json:"min_count"`
}

// Condition is one of the conditions that Qdrant's filters have.
type Condition struct{}
