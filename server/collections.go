package server

import (
	"maps"
	"slices"

	"github.com/latent-go/latent/collection"
	"github.com/latent-go/latent/collection/filter"
	"github.com/latent-go/latent/server/wire"
)

func listCollections(c *call) (any, error) {
	type named struct {
		Name string `json:"name"`
	}
	out := struct {
		Collections []named `json:"collections"`
	}{[]named{}}
	for _, n := range c.s.store.Names() {
		out.Collections = append(out.Collections, named{n})
	}
	return out, nil
}

func collectionExists(c *call) (any, error) {
	_, err := c.collection()
	if err != nil && wire.Of(err).Kind != wire.NotFound {
		return nil, err
	}
	return map[string]bool{"exists": err == nil}, nil
}

func collectionInfo(c *call) (any, error) {
	col, err := c.collection()
	if err != nil {
		return nil, err
	}
	return wire.InfoOf(col)
}

func createCollection(c *call) (any, error) {
	name := c.PathValue("collection")
	if err := wire.CheckName(name); err != nil {
		return nil, err
	}
	var body wire.CreateCollection
	ctx, cancel, err := c.begin(&body)
	if err != nil {
		return nil, err
	}
	defer cancel()
	cfg, err := body.Config()
	if err != nil {
		return nil, err
	}
	return true, c.s.store.Create(ctx, name, cfg)
}

func updateCollection(c *call) (any, error) {
	var body wire.UpdateCollection
	col, ctx, cancel, err := c.on(&body)
	if err != nil {
		return nil, err
	}
	defer cancel()
	return true, body.Apply(ctx, col)
}

func deleteCollection(c *call) (any, error) {
	ctx, cancel, err := c.context()
	if err != nil {
		return nil, err
	}
	defer cancel()
	name := c.PathValue("collection")
	was, err := c.s.store.Delete(ctx, name)
	if err == nil {
		c.s.metrics.forget(name)
	}
	return was, err
}

func addVector(c *call) (any, error) {
	var body wire.VectorName
	col, ctx, cancel, err := c.on(&body)
	if err != nil {
		return nil, err
	}
	defer cancel()
	if err := body.Add(ctx, col, c.PathValue("vector")); err != nil {
		return nil, err
	}
	return updated{Status: "completed"}, nil
}

func dropVector(c *call) (any, error) {
	col, ctx, cancel, err := c.on(nil)
	if err != nil {
		return nil, err
	}
	defer cancel()
	if err := col.DropVector(ctx, c.PathValue("vector")); err != nil {
		return nil, err
	}
	return updated{Status: "completed"}, nil
}

func createIndex(c *call) (any, error) {
	var body struct {
		Field  string         `json:"field_name"`
		Schema *filter.Schema `json:"field_schema"`
	}
	ctx, cancel, err := c.begin(&body)
	if err != nil {
		return nil, err
	}
	defer cancel()
	if body.Field == "" {
		return nil, missing("field_name")
	}
	if body.Schema == nil {
		return nil, missing("field_schema")
	}
	col, err := c.collection()
	if err != nil {
		return nil, err
	}
	if err := col.CreateFieldIndex(ctx, body.Field, *body.Schema); err != nil {
		return nil, err
	}
	return updated{Status: "completed"}, nil
}

func dropIndex(c *call) (any, error) {
	col, ctx, cancel, err := c.on(nil)
	if err != nil {
		return nil, err
	}
	defer cancel()
	if err := col.DropFieldIndex(ctx, c.PathValue("field")); err != nil {
		return nil, err
	}
	return updated{Status: "completed"}, nil
}

// collectionCluster says that the collection is one shard, here.
func collectionCluster(c *call) (any, error) {
	col, err := c.collection()
	if err != nil {
		return nil, err
	}
	info, err := col.Info()
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"peer_id": 1, "shard_count": 1,
		"local_shards":    []any{map[string]any{"shard_id": 0, "points_count": info.Points, "state": "Active"}},
		"remote_shards":   []any{},
		"shard_transfers": []any{},
	}, nil
}

type alias struct {
	Alias      string `json:"alias_name"`
	Collection string `json:"collection_name"`
}

func (c *call) aliases(of string) (any, error) {
	all := c.s.store.Aliases()
	out := struct {
		Aliases []alias `json:"aliases"`
	}{[]alias{}}
	for _, a := range slices.Sorted(maps.Keys(all)) {
		if of == "" || all[a] == of {
			out.Aliases = append(out.Aliases, alias{a, all[a]})
		}
	}
	return out, nil
}

func listAliases(c *call) (any, error) { return c.aliases("") }

func collectionAliases(c *call) (any, error) {
	col, err := c.collection()
	if err != nil {
		return nil, err
	}
	return c.aliases(col.Name())
}

func changeAliases(c *call) (any, error) {
	var body struct {
		Actions *[]struct {
			Create *alias `json:"create_alias"`
			Delete *alias `json:"delete_alias"`
			Rename *struct {
				Old string `json:"old_alias_name"`
				New string `json:"new_alias_name"`
			} `json:"rename_alias"`
		} `json:"actions"`
	}
	ctx, cancel, err := c.begin(&body)
	if err != nil {
		return nil, err
	}
	defer cancel()
	if body.Actions == nil {
		return nil, missing("actions")
	}
	var changes []collection.AliasChange
	for _, a := range *body.Actions {
		switch {
		case a.Create != nil && a.Create.Alias != "":
			changes = append(changes, collection.AliasChange{Create: a.Create.Alias, Collection: a.Create.Collection})
		case a.Delete != nil && a.Delete.Alias != "":
			changes = append(changes, collection.AliasChange{Delete: a.Delete.Alias})
		case a.Rename != nil && a.Rename.Old != "":
			changes = append(changes, collection.AliasChange{Rename: a.Rename.Old, To: a.Rename.New})
		default:
			return nil, wire.Errorf(wire.BadFormat, "Format error in JSON body: data did not match any variant of untagged enum AliasOperations: want create_alias, delete_alias or rename_alias, with the names")
		}
	}
	return true, c.s.store.ChangeAliases(ctx, changes)
}
