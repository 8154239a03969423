package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Distance is how vectors are compared.
type Distance string

// Qdrant's names of distances. Under Cosine and Dot a score is a similarity, under the others a distance.
const (
	Cosine    Distance = "Cosine"
	Dot       Distance = "Dot"
	Euclid    Distance = "Euclid"
	Manhattan Distance = "Manhattan"
)

// Config is what a collection is made with.
type Config struct {
	Vectors  Vectors           `json:"vectors,omitempty"`
	Sparse   map[string]Sparse `json:"sparse_vectors,omitempty"`
	Metadata map[string]any    `json:"metadata,omitempty"`
}

// Vectors are the dense vectors of a collection by name; one without a name has the name "".
type Vectors map[string]Vector

// Vector is one dense vector.
type Vector struct {
	Size     int      `json:"size"`
	Distance Distance `json:"distance"`
	Multi    *Multi   `json:"multivector_config,omitempty"`
	Plan     string   `json:"plan,omitempty"` // of latent: hold the vector to this plan
}

// Multi says that a point has several vectors of one name.
type Multi struct {
	Comparator string `json:"comparator"` // "max_sim"
}

// Sparse is one sparse vector.
type Sparse struct {
	Modifier string `json:"modifier,omitempty"` // "idf" or nothing
}

// MarshalJSON writes the one vector named "" bare.
func (v Vectors) MarshalJSON() ([]byte, error) { return bare(map[string]Vector(v)) }

// UnmarshalJSON reads what MarshalJSON writes.
func (v *Vectors) UnmarshalJSON(b []byte) (err error) {
	*v, err = named(b, func(one Vector) bool { return one.Size > 0 })
	return err
}

// Info is what a server says of a collection.
type Info struct {
	Status         string `json:"status"` // green, yellow while it is being indexed, grey or red
	Points         int    `json:"points_count"`
	IndexedVectors int    `json:"indexed_vectors_count"`
	Segments       int    `json:"segments_count"`
	Config         struct {
		Params   Config         `json:"params"` // but for Metadata
		Metadata map[string]any `json:"metadata"`
	} `json:"config"`
	PayloadSchema map[string]Field `json:"payload_schema"`
}

// Field is a payload field with an index.
type Field struct {
	Type   string          `json:"data_type"`
	Params json.RawMessage `json:"params,omitempty"` // that CreateIndex was given, if any
	Points int             `json:"points"`
}

// Collections returns the names of all collections.
func (c *Client) Collections(ctx context.Context) ([]string, error) {
	var r struct {
		Collections []struct{ Name string }
	}
	if err := c.Call(ctx, http.MethodGet, "/collections", nil, &r); err != nil {
		return nil, err
	}
	names := make([]string, len(r.Collections))
	for i, n := range r.Collections {
		names[i] = n.Name
	}
	return names, nil
}

// CreateCollection makes a collection. One that is there already gives ErrExists.
func (c *Client) CreateCollection(ctx context.Context, name string, config Config) error {
	return c.do(ctx, request{method: http.MethodPut, path: path("collections", name), body: config, once: true})
}

// AddVector gives a collection one more named vector, which its points do not have yet.
func (c *Client) AddVector(ctx context.Context, collection, name string, v Vector) error {
	return c.Call(ctx, http.MethodPut, path("collections", collection, "vectors", name), map[string]any{"dense": v}, nil)
}

// DeleteCollection removes a collection and says whether there was one.
func (c *Client) DeleteCollection(ctx context.Context, name string) (was bool, err error) {
	err = c.do(ctx, request{method: http.MethodDelete, path: path("collections", name), result: &was, once: true})
	return was, err
}

// HasCollection says whether a collection, or an alias, of this name exists.
func (c *Client) HasCollection(ctx context.Context, name string) (bool, error) {
	var r struct{ Exists bool }
	err := c.Call(ctx, http.MethodGet, path("collections", name, "exists"), nil, &r)
	return r.Exists, err
}

// Collection says what a collection is.
func (c *Client) Collection(ctx context.Context, name string) (Info, error) {
	var r Info
	err := c.Call(ctx, http.MethodGet, path("collections", name), nil, &r)
	return r, err
}

// CreateIndex makes an index of a payload field, so that filters on it are fast: of the type keyword, integer, float, bool,
// datetime, geo, text or uuid, or with the parameters that Qdrant's documentation has, as a map with a key "type".
func (c *Client) CreateIndex(ctx context.Context, collection, field string, schema any) error {
	return c.do(ctx, request{method: http.MethodPut, path: path("collections", collection, "index") + "?wait=true",
		body: map[string]any{"field_name": field, "field_schema": schema}, long: true})
}

// DeleteIndex removes the index of a payload field.
func (c *Client) DeleteIndex(ctx context.Context, collection, field string) error {
	return c.Call(ctx, http.MethodDelete, path("collections", collection, "index", field)+"?wait=true", nil, nil)
}

// Aliases says which collection each alias stands for.
func (c *Client) Aliases(ctx context.Context) (map[string]string, error) {
	var r struct {
		Aliases []struct {
			Alias      string `json:"alias_name"`
			Collection string `json:"collection_name"`
		} `json:"aliases"`
	}
	if err := c.Call(ctx, http.MethodGet, "/aliases", nil, &r); err != nil {
		return nil, err
	}
	all := map[string]string{}
	for _, a := range r.Aliases {
		all[a.Alias] = a.Collection
	}
	return all, nil
}

// An AliasChange is what CreateAlias, DeleteAlias or RenameAlias says.
type AliasChange map[string]map[string]string

// CreateAlias makes an alias, or lets one that is there stand for another collection.
func CreateAlias(alias, collection string) AliasChange {
	return AliasChange{"create_alias": {"alias_name": alias, "collection_name": collection}}
}

// DeleteAlias removes an alias.
func DeleteAlias(alias string) AliasChange {
	return AliasChange{"delete_alias": {"alias_name": alias}}
}

// RenameAlias gives an alias another name.
func RenameAlias(old, new string) AliasChange {
	return AliasChange{"rename_alias": {"old_alias_name": old, "new_alias_name": new}}
}

// ChangeAliases carries out changes in order, all of them or none, so that readers never meet a state between.
func (c *Client) ChangeAliases(ctx context.Context, changes ...AliasChange) error {
	return c.do(ctx, request{method: http.MethodPost, path: "/collections/aliases", body: map[string]any{"actions": changes}, once: true})
}

// Snapshot is a copy of a collection at a moment.
type Snapshot struct {
	Name     string `json:"name"`
	Created  string `json:"creation_time"`
	Size     int64  `json:"size"`
	Checksum string `json:"checksum"`
}

// CreateSnapshot makes a snapshot, also while points are being written.
func (c *Client) CreateSnapshot(ctx context.Context, collection string) (Snapshot, error) {
	var r Snapshot
	err := c.do(ctx, request{method: http.MethodPost, path: path("collections", collection, "snapshots"), result: &r, long: true, once: true})
	return r, err
}

// Snapshots lists a collection's.
func (c *Client) Snapshots(ctx context.Context, collection string) ([]Snapshot, error) {
	var r []Snapshot
	err := c.Call(ctx, http.MethodGet, path("collections", collection, "snapshots"), nil, &r)
	return r, err
}

// DeleteSnapshot removes one.
func (c *Client) DeleteSnapshot(ctx context.Context, collection, snapshot string) error {
	return c.Call(ctx, http.MethodDelete, path("collections", collection, "snapshots", snapshot), nil, nil)
}

// DownloadSnapshot writes a snapshot to w.
func (c *Client) DownloadSnapshot(ctx context.Context, collection, snapshot string, w io.Writer) error {
	res, err := c.open(ctx, http.MethodGet, path("collections", collection, "snapshots", snapshot), nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	n, err := io.Copy(w, res.Body)
	if err != nil {
		return fmt.Errorf("client: snapshot %s, after %d bytes: %w", snapshot, n, err)
	}
	return nil
}

// Wait returns when a collection is green, with every vector indexed. It asks a few times a second.
func (c *Client) Wait(ctx context.Context, collection string) error {
	for {
		info, err := c.Collection(ctx, collection)
		if err != nil || info.Status == "green" {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(250 * time.Millisecond):
		}
	}
}
