package rpc

import (
	"encoding/json"
	"strings"

	"github.com/qdrant/go-client/qdrant"
)

// quantization is what Qdrant's REST API calls quantization_config: one of these is set. It changes nothing here, and is
// kept to be told back, to clients of both protocols.
type quantization struct {
	Scalar *struct {
		Type     string   `json:"type"`
		Quantile *float32 `json:"quantile,omitempty"`
		RAM      *bool    `json:"always_ram,omitempty"`
	} `json:"scalar,omitempty"`
	Product *struct {
		Compression string `json:"compression"`
		RAM         *bool  `json:"always_ram,omitempty"`
	} `json:"product,omitempty"`
	Binary *struct {
		Encoding string `json:"encoding,omitempty"`
		Query    string `json:"query_encoding,omitempty"`
		RAM      *bool  `json:"always_ram,omitempty"`
	} `json:"binary,omitempty"`
	Turbo *struct {
		Bits string `json:"bits,omitempty"`
		RAM  *bool  `json:"always_ram,omitempty"`
	} `json:"turbo,omitempty"`
}

// binaryEncodings are the one enum whose names differ by more than case.
var binaryEncodings = map[qdrant.BinaryQuantizationEncoding]string{qdrant.BinaryQuantizationEncoding_OneBit: "one_bit",
	qdrant.BinaryQuantizationEncoding_TwoBits: "two_bits", qdrant.BinaryQuantizationEncoding_OneAndHalfBits: "one_and_half_bits"}

// quantizing is a message that says how to quantize, for a new collection or for one that is there.
type quantizing interface {
	GetScalar() *qdrant.ScalarQuantization
	GetProduct() *qdrant.ProductQuantization
	GetBinary() *qdrant.BinaryQuantization
	GetTurboquant() *qdrant.TurboQuantization
}

// quantized is m as REST has it; nil if it says nothing.
func quantized(m quantizing) map[string]any {
	var o map[string]any
	how := func(name string, ram *bool, fields map[string]any) {
		if ram != nil {
			fields["always_ram"] = *ram
		}
		o = map[string]any{name: fields}
	}
	if s := m.GetScalar(); s != nil {
		fields := map[string]any{"type": "int8"}
		if s.Quantile != nil {
			fields["quantile"] = *s.Quantile
		}
		how("scalar", s.AlwaysRam, fields)
	}
	if p := m.GetProduct(); p != nil {
		how("product", p.AlwaysRam, map[string]any{"compression": strings.ToLower(p.GetCompression().String())})
	}
	if b := m.GetBinary(); b != nil {
		fields := map[string]any{}
		if b.Encoding != nil {
			fields["encoding"] = binaryEncodings[b.GetEncoding()]
		}
		if b.QueryEncoding != nil {
			fields["query_encoding"] = strings.ToLower(b.GetQueryEncoding().GetSetting().String())
		}
		how("binary", b.AlwaysRam, fields)
	}
	if t := m.GetTurboquant(); t != nil {
		fields := map[string]any{}
		if t.Bits != nil {
			fields["bits"] = strings.ToLower(t.GetBits().String())
		}
		how("turbo", t.AlwaysRam, fields)
	}
	return o
}

// toQuantization is the message for what REST, or quantized, was given; nil if the protocol has nothing like it.
func toQuantization(o map[string]any) *qdrant.QuantizationConfig {
	var q quantization
	if b, err := json.Marshal(o); err != nil || json.Unmarshal(b, &q) != nil {
		return nil
	}
	switch {
	case q.Scalar != nil:
		return qdrant.NewQuantizationScalar(&qdrant.ScalarQuantization{Type: qdrant.QuantizationType_Int8, Quantile: q.Scalar.Quantile, AlwaysRam: q.Scalar.RAM})
	case q.Product != nil:
		ratio, _ := named[qdrant.CompressionRatio](qdrant.CompressionRatio_name, q.Product.Compression)
		return qdrant.NewQuantizationProduct(&qdrant.ProductQuantization{Compression: ratio, AlwaysRam: q.Product.RAM})
	case q.Binary != nil:
		b := &qdrant.BinaryQuantization{AlwaysRam: q.Binary.RAM}
		for e, name := range binaryEncodings {
			if name == q.Binary.Encoding {
				b.Encoding = e.Enum()
			}
		}
		if s, ok := named[qdrant.BinaryQuantizationQueryEncoding_Setting](qdrant.BinaryQuantizationQueryEncoding_Setting_name, q.Binary.Query); ok {
			b.QueryEncoding = &qdrant.BinaryQuantizationQueryEncoding{Variant: &qdrant.BinaryQuantizationQueryEncoding_Setting_{Setting: s}}
		}
		return qdrant.NewQuantizationBinary(b)
	case q.Turbo != nil:
		t := &qdrant.TurboQuantization{AlwaysRam: q.Turbo.RAM}
		if bits, ok := named[qdrant.TurboQuantBitSize](qdrant.TurboQuantBitSize_name, q.Turbo.Bits); ok {
			t.Bits = bits.Enum()
		}
		return &qdrant.QuantizationConfig{Quantization: &qdrant.QuantizationConfig_Turboquant{Turboquant: t}}
	}
	return nil
}
