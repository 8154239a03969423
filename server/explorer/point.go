package explorer

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/latent-go/latent/collection"
	"github.com/latent-go/latent/collection/point"
)

// vectorShown is one vector of a point, as its page shows it.
type vectorShown struct {
	Name, What, Values string
	Near               []hit
	Score, Err         string
}

func showPoint(v *visit) error {
	col, info, err := v.open()
	if err != nil {
		return err
	}
	id, err := point.ParseID(v.PathValue("id"))
	if err != nil {
		return err
	}
	all := collection.Select{All: true}
	found, err := col.Get(v.Context(), []point.ID{id}, all, all)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return noPoint(id)
	}
	p := found[0]
	about := struct {
		ID, Payload string
		Version     uint64
		Vectors     []vectorShown
	}{ID: id.String(), Version: p.Version}
	if len(p.Payload) > 0 {
		about.Payload = pretty(p.Payload)
	}
	facts := vectorsOf(col, info)
	for _, name := range slices.Sorted(maps.Keys(p.Vectors)) {
		x := p.Vectors[name]
		s := vectorShown{Name: name, What: describe(x), Score: scoreName(searchForm{Using: name}, facts)}
		b, err := json.Marshal(x)
		if err != nil {
			return err
		}
		s.Values = strings.ReplaceAll(string(b), ",", ", ")
		near, err := col.Query(v.Context(), collection.Query{Ask: collection.Nearest{To: collection.Input{ID: &id}}, Using: name, Limit: 5, WithPayload: all})
		if err != nil {
			s.Err = err.Error()
		}
		s.Near = hitsOf(near, true)
		about.Vectors = append(about.Vectors, s)
	}
	return v.show(http.StatusOK, "point", "Point "+id.String(), col, about)
}

// describe says what a vector is.
func describe(x point.Vector) string {
	switch {
	case x.Sparse != nil:
		return fmt.Sprintf("sparse, %s entries", count(len(x.Sparse.Indices)))
	case x.Multi != nil:
		return fmt.Sprintf("%s vectors of %s numbers", count(len(x.Multi)), count(len(x.Multi[0])))
	}
	return fmt.Sprintf("%s numbers, length %s", count(len(x.Dense)), number(norm(x.Dense)))
}
