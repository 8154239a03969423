package rpc

import (
	"context"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/latent-go/latent/collection"
)

type snapshots struct {
	qdrant.UnimplementedSnapshotsServer
	s *service
}

func describe(i collection.SnapshotInfo) *qdrant.SnapshotDescription {
	d := &qdrant.SnapshotDescription{Name: i.Name, Size: i.Size}
	if !i.Created.IsZero() {
		d.CreationTime = timestamppb.New(i.Created)
	}
	if i.Checksum != "" {
		d.Checksum = &i.Checksum
	}
	return d
}

func created(start time.Time, i collection.SnapshotInfo, err error) (*qdrant.CreateSnapshotResponse, error) {
	if err != nil {
		return nil, err
	}
	return &qdrant.CreateSnapshotResponse{SnapshotDescription: describe(i), Time: timed(start)}, nil
}

func listed(start time.Time, list []collection.SnapshotInfo, err error) (*qdrant.ListSnapshotsResponse, error) {
	if err != nil {
		return nil, err
	}
	out := &qdrant.ListSnapshotsResponse{Time: timed(start)}
	for _, i := range list {
		out.SnapshotDescriptions = append(out.SnapshotDescriptions, describe(i))
	}
	return out, nil
}

func (s snapshots) Create(ctx context.Context, r *qdrant.CreateSnapshotRequest) (*qdrant.CreateSnapshotResponse, error) {
	start := time.Now()
	c, err := s.s.store.Collection(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	i, err := c.Snapshot(ctx)
	return created(start, i, err)
}

func (s snapshots) List(_ context.Context, r *qdrant.ListSnapshotsRequest) (*qdrant.ListSnapshotsResponse, error) {
	start := time.Now()
	c, err := s.s.store.Collection(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	list, err := c.Snapshots()
	return listed(start, list, err)
}

func (s snapshots) Delete(_ context.Context, r *qdrant.DeleteSnapshotRequest) (*qdrant.DeleteSnapshotResponse, error) {
	start := time.Now()
	c, err := s.s.store.Collection(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	if err := c.DeleteSnapshot(r.GetSnapshotName()); err != nil {
		return nil, err
	}
	return &qdrant.DeleteSnapshotResponse{Time: timed(start)}, nil
}

func (s snapshots) CreateFull(ctx context.Context, _ *qdrant.CreateFullSnapshotRequest) (*qdrant.CreateSnapshotResponse, error) {
	start := time.Now()
	i, err := s.s.store.Snapshot(ctx)
	return created(start, i, err)
}

func (s snapshots) ListFull(context.Context, *qdrant.ListFullSnapshotsRequest) (*qdrant.ListSnapshotsResponse, error) {
	start := time.Now()
	list, err := s.s.store.Snapshots()
	return listed(start, list, err)
}

func (s snapshots) DeleteFull(_ context.Context, r *qdrant.DeleteFullSnapshotRequest) (*qdrant.DeleteSnapshotResponse, error) {
	start := time.Now()
	if err := s.s.store.DeleteSnapshot(r.GetSnapshotName()); err != nil {
		return nil, err
	}
	return &qdrant.DeleteSnapshotResponse{Time: timed(start)}, nil
}
