package filter

import (
	"math"

	"github.com/RoaringBitmap/roaring/v2"
)

// A place is indexed by a cell: longitude and latitude cut to 32 bits each, their bits interleaved (Morton 1966), so that
// blocks of neighbouring keys are small rectangles. A cell is about a centimetre wide; what lies on the edge of an area is
// left to the payload.

func geoKey(g Geo) uint64 {
	cut := func(v, half float64) uint64 { return uint64(min((v+half)/(2*half)*(1<<32), 1<<32-1)) }
	return spread(cut(g.Lon, 180)) | spread(cut(g.Lat, 90))<<1
}

// spread puts a zero bit before each of 32 bits.
func spread(x uint64) uint64 {
	x = (x | x<<16) & 0x0000ffff0000ffff
	x = (x | x<<8) & 0x00ff00ff00ff00ff
	x = (x | x<<4) & 0x0f0f0f0f0f0f0f0f
	x = (x | x<<2) & 0x3333333333333333
	return (x | x<<1) & 0x5555555555555555
}

func squeeze(x uint64) uint64 {
	x &= 0x5555555555555555
	x = (x | x>>1) & 0x3333333333333333
	x = (x | x>>2) & 0x0f0f0f0f0f0f0f0f
	x = (x | x>>4) & 0x00ff00ff00ff00ff
	x = (x | x>>8) & 0x0000ffff0000ffff
	return (x | x>>16) & 0x00000000ffffffff
}

// rect is a rectangle of longitudes and latitudes, its edges included.
type rect struct{ west, south, east, north float64 }

const cellLon, cellLat = 360.0 / (1 << 32), 180.0 / (1 << 32)

// cellOf is a rectangle that all places of a key lie in, a little larger than the cell for the rounding in geoKey.
func cellOf(key uint64) rect {
	lon, lat := float64(squeeze(key))*cellLon-180, float64(squeeze(key>>1))*cellLat-90
	return rect{lon - cellLon/8, lat - cellLat/8, lon + 9*cellLon/8, lat + 9*cellLat/8}
}

// verdict is what can be said of an area and a rectangle.
type verdict int

const (
	apart verdict = iota // no place of the rectangle is in the area
	cut                  // some may be
	inside
)

// places bounds the slots with a place in an area. cell judges the rectangle of a cell; quick, which may be coarser,
// that of a block.
func (x *Index) places(cell, quick func(rect) verdict) bound {
	var whole []*roaring.Bitmap
	var lo, edge []uint32
	for _, b := range x.order.blocks {
		switch quick(boxOf(b.keys[0], b.keys[len(b.keys)-1])) {
		case inside:
			whole = append(whole, b.bits)
		case cut:
			for i, k := range b.keys {
				switch cell(cellOf(k)) {
				case inside:
					lo = append(lo, b.slots[i])
				case cut:
					edge = append(edge, b.slots[i])
				}
			}
		}
	}
	in := roaring.New()
	in.AddMany(lo)
	if len(whole) > 0 {
		in = roaring.FastOr(append(whole, in)...)
	}
	if len(edge) == 0 {
		return exact(in)
	}
	hi := in.Clone()
	hi.AddMany(edge)
	return bound{in, hi}
}

// boxOf is a rectangle around all cells from one key to another: that of the bits that both begin with.
func boxOf(first, last uint64) rect {
	mask := uint64(0)
	for first&^mask != last&^mask {
		mask = mask<<1 | 1
	}
	a, b := cellOf(first&^mask), cellOf(first|mask)
	return rect{a.west, a.south, b.east, b.north}
}

func (t GeoBox) cell(r rect) verdict {
	lat := interval(t.BottomRight.Lat, t.TopLeft.Lat, r.south, r.north)
	west, east := t.TopLeft.Lon, t.BottomRight.Lon
	if west > east { // across the antimeridian
		return min(lat, max(interval(west, math.Inf(1), r.west, r.east), interval(math.Inf(-1), east, r.west, r.east)))
	}
	return min(lat, interval(west, east, r.west, r.east))
}

// interval judges the numbers from a to b against those strictly between lo and hi.
func interval(lo, hi, a, b float64) verdict {
	switch {
	case lo < a && b < hi:
		return inside
	case b <= lo || hi <= a:
		return apart
	}
	return cut
}

// slackMetres is more than the diagonal of a cell and the rounding of a haversine.
const slackMetres = 0.1

func (t GeoRadius) cell(r rect) verdict {
	d := haversine(t.Center, Geo{(r.west + r.east) / 2, (r.south + r.north) / 2})
	switch {
	case !(t.Radius > 0): // nothing is less than 0 metres away
		return apart
	case d < t.Radius-slackMetres:
		return inside
	case d > t.Radius+slackMetres:
		return apart
	}
	return cut
}

// quick bounds the circle by parallels, and by the meridians that touch it.
func (t GeoRadius) quick(r rect) verdict {
	if !(t.Radius > 0) {
		return apart
	}
	angle := (t.Radius + slackMetres) / earthRadius
	degrees := angle * 180 / math.Pi
	if r.north < t.Center.Lat-degrees || r.south > t.Center.Lat+degrees {
		return apart
	}
	if math.Abs(t.Center.Lat)+degrees >= 90 { // it holds a pole
		return cut
	}
	width := math.Asin(min(math.Sin(angle)/math.Cos(t.Center.Lat*math.Pi/180), 1)) * 180 / math.Pi
	for _, turn := range []float64{-360, 0, 360} {
		if r.east >= t.Center.Lon+turn-width && r.west <= t.Center.Lon+turn+width {
			return cut
		}
	}
	return apart
}

// cell asks for each edge whether it comes near the rectangle; if none does, all of it is on one side.
func (t GeoPolygon) cell(r rect) verdict {
	if len(t.Exterior) == 0 {
		return apart
	}
	near := func(ring []Geo) bool {
		for i := 1; i < len(ring); i++ {
			a, b := ring[i-1], ring[i]
			if max(a.Lon, b.Lon) >= r.west && min(a.Lon, b.Lon) <= r.east && max(a.Lat, b.Lat) >= r.south && min(a.Lat, b.Lat) <= r.north &&
				!clear(a, b, r) {
				return true
			}
		}
		return false
	}
	if near(t.Exterior) {
		return cut
	}
	for _, ring := range t.Interiors {
		if near(ring) {
			return cut
		}
	}
	if t.has(Geo{(r.west + r.east) / 2, (r.south + r.north) / 2}) {
		return inside
	}
	return apart
}

// clear says that all corners of a rectangle are clearly on one side of the line through a and b.
func clear(a, b Geo, r rect) bool {
	left, right := 0, 0
	for _, c := range []Geo{{r.west, r.south}, {r.west, r.north}, {r.east, r.south}, {r.east, r.north}} {
		x, y := (b.Lon-a.Lon)*(c.Lat-a.Lat), (b.Lat-a.Lat)*(c.Lon-a.Lon)
		switch slack := 1e-9 * (math.Abs(x) + math.Abs(y)); {
		case x-y > slack:
			left++
		case y-x > slack:
			right++
		}
	}
	return left == 4 || right == 4
}
