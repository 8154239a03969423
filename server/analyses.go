package server

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"github.com/latent-go/latent/server/wire"
)

// named is the collection that a path names.
type named struct {
	Collection string `path:"collection" doc:"name or alias"`
}

func (s *Server) analyses(api huma.API) {
	register(s, api, wire.Read, "GET", "/collections/{collection}/plan", "plan", "The plan in force, and why",
		"How each vector of the collection is held and searched.", s.plan)
}

// planAnswer says how a collection is held.
type planAnswer struct {
	Collection string            `json:"collection"`
	Points     int               `json:"points"`
	Plans      map[string]string `json:"plans" doc:"by vector, in the language of docs/plans.md; the unnamed vector has the name \"\""`
}

func (s *Server) plan(_ context.Context, in *named) (planAnswer, error) {
	col, err := s.store.Collection(in.Collection)
	if err != nil {
		return planAnswer{}, err
	}
	info, err := col.Info()
	return planAnswer{col.Name(), info.Points, info.Plans}, err
}
