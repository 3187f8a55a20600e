//! What steps cost, from first principles: always there, explains itself, answers on a cold start.
//!
//! Every number it knows is a field of [`Constants`], so that calibration replaces them in one place. Sizes are in bytes as they
//! lie in memory (Arrow), times in seconds of one uncontended step.

use serde::{Deserialize, Serialize};

use crate::ids::EngineKind;
use crate::link::Link;

/// Seconds an engine takes to hand over a result.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScanRates {
    /// s, for a statement that returns nothing.
    pub start: f64,
    /// s per row.
    pub row: f64,
    /// s per byte.
    pub byte: f64,
}

/// A compression of batches on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Codec {
    /// Bytes before over bytes after.
    pub ratio: f64,
    /// Uncompressed bytes per second that one core packs.
    pub pack: f64,
    /// Uncompressed bytes per second that one core unpacks.
    pub unpack: f64,
}

/// The codecs in the order of [`Constants::codecs`].
pub const CODEC_NAMES: [&str; 3] = ["none", "lz4", "zstd"];

/// More keys than this are not sent as a list: engines read longer ones slowly, and they seldom leave much out.
pub const MOST_KEYS: usize = 10_000;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Constants {
    // Order of magnitude for TPC-H rows over a local socket; to be calibrated.
    pub scan_postgres: ScanRates,
    pub scan_mysql: ScanRates,
    pub scan_files: ScanRates,
    pub scan_system: ScanRates,
    /// s to start any step at a site, without network: planning, tasks, buffers. Guessed.
    pub step: f64,
    /// Round trips before a move's bytes flow: the ticket is asked for, the stream answers. From the protocol.
    pub move_rounds: f64,
    /// Ratios and speeds of one core as the projects publish them for the Silesia corpus: lz4 1.10 and zstd 1.5.7 at level 1
    /// (README of facebook/zstd).
    pub codecs: [Codec; 3],
    /// s per row put into a hash table, looked up in one, and returned. Order of magnitude of DataFusion's hash join; to be
    /// calibrated.
    pub join_build_row: f64,
    pub join_probe_row: f64,
    pub join_output_row: f64,
    /// s per row that a filter looks up in a key list, and per key made or read. As a hash join's.
    pub filter_row: f64,
    pub filter_key: f64,
    /// Keys that are sent as a list, which an engine can use its index for; beyond, a Bloom filter.
    pub max_list: f64,
    /// Bytes per key of a Bloom filter, and the share of strangers it lets through: 9.6 bits for 1 %.
    pub bloom_key: f64,
    pub bloom_false: f64,
    /// A filter that keeps more than this share of rows is not worth its trouble: estimates are not that good.
    pub worthless: f64,
}

impl Default for Constants {
    fn default() -> Self {
        Self {
            scan_postgres: ScanRates { start: 2e-3, row: 5e-7, byte: 4e-9 },
            scan_mysql: ScanRates { start: 2e-3, row: 1e-6, byte: 8e-9 },
            scan_files: ScanRates { start: 3e-3, row: 5e-8, byte: 1e-9 },
            scan_system: ScanRates { start: 1e-4, row: 1e-7, byte: 1e-9 },
            step: 1e-3,
            move_rounds: 1.0,
            codecs: [
                Codec { ratio: 1.0, pack: f64::INFINITY, unpack: f64::INFINITY },
                Codec { ratio: 2.1, pack: 675e6, unpack: 3850e6 },
                Codec { ratio: 2.9, pack: 510e6, unpack: 1550e6 },
            ],
            join_build_row: 1e-7,
            join_probe_row: 4e-8,
            join_output_row: 2e-8,
            filter_row: 3e-8,
            filter_key: 1e-7,
            max_list: MOST_KEYS as f64,
            bloom_key: 1.2,
            bloom_false: 0.01,
            worthless: 0.9,
        }
    }
}

/// What a link does to bytes, with the codec that is fastest on it. Packing, sending and unpacking overlap, so the slowest of
/// them sets the pace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transfer {
    /// Index into [`Constants::codecs`].
    pub codec: usize,
    pub rtt_seconds: f64,
    pub seconds_per_byte: f64,
    /// Bytes on the wire for each byte before compression.
    pub wire_per_byte: f64,
    pub price_per_byte: f64,
}

impl Transfer {
    pub fn seconds(&self, bytes: f64) -> f64 {
        self.rtt_seconds + bytes * self.seconds_per_byte
    }

    pub fn wire_bytes(&self, bytes: f64) -> f64 {
        bytes * self.wire_per_byte
    }
}

/// Keys of one side of a join, as they are sent to filter the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KeyFilter {
    pub bloom: bool,
    pub bytes: f64,
    /// Share of the rows without a partner that get through.
    pub false_share: f64,
}

impl Constants {
    pub fn scan(&self, engine: EngineKind, rows: f64, bytes: f64) -> f64 {
        let rates = match engine {
            EngineKind::Postgres => self.scan_postgres,
            EngineKind::MySql => self.scan_mysql,
            EngineKind::Files => self.scan_files,
            EngineKind::System | EngineKind::Site => self.scan_system,
        };
        rates.start + rows * rates.row + bytes * rates.byte
    }

    pub fn transfer(&self, link: &Link) -> Transfer {
        let pace = |c: &Codec| (1.0 / (link.bandwidth * c.ratio)).max(1.0 / c.pack).max(1.0 / c.unpack);
        let codec = (0..self.codecs.len()).min_by(|a, b| pace(&self.codecs[*a]).total_cmp(&pace(&self.codecs[*b])));
        let codec = codec.unwrap_or(0);
        let wire_per_byte = 1.0 / self.codecs[codec].ratio;
        Transfer {
            codec,
            rtt_seconds: self.move_rounds * link.rtt,
            seconds_per_byte: pace(&self.codecs[codec]),
            wire_per_byte,
            price_per_byte: wire_per_byte * link.price_per_gb / 1e9,
        }
    }

    /// A hash join, built on the smaller side.
    pub fn join(&self, left_rows: f64, right_rows: f64, output_rows: f64) -> f64 {
        self.step
            + left_rows.min(right_rows) * self.join_build_row
            + left_rows.max(right_rows) * self.join_probe_row
            + output_rows * self.join_output_row
    }

    /// How many keys of that width are sent.
    pub fn key_filter(&self, keys: f64, width: f64) -> KeyFilter {
        if keys <= self.max_list || width <= self.bloom_key {
            KeyFilter { bloom: false, bytes: keys * width, false_share: 0.0 }
        } else {
            KeyFilter { bloom: true, bytes: keys * self.bloom_key, false_share: self.bloom_false }
        }
    }

    /// The work of a reduction apart from sending the keys: collecting them from `from_rows`, reading them, and filtering
    /// `rows`.
    pub fn reduce(&self, from_rows: f64, keys: f64, rows: f64) -> f64 {
        2.0 * self.step + from_rows * self.filter_row + 2.0 * keys * self.filter_key + rows * self.filter_row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(bandwidth: f64) -> Link {
        Link { bandwidth, rtt: 0.05, price_per_gb: 0.0 }
    }

    #[test]
    fn slow_links_compress_hard_and_fast_ones_not_at_all() {
        let c = Constants::default();
        let codec = |bandwidth| CODEC_NAMES[c.transfer(&link(bandwidth)).codec];
        assert_eq!(codec(12.5e6), "zstd");
        assert_eq!(codec(300e6), "lz4");
        assert_eq!(codec(1.25e9), "none");
        assert_eq!(c.transfer(&Link::LOCAL).seconds(1e12), 0.0);
    }

    #[test]
    fn a_move_waits_for_its_round_trip_and_then_for_the_wire() {
        let c = Constants::default();
        let transfer = c.transfer(&link(1e6));
        assert!((transfer.seconds(2.9e6) - 1.05).abs() < 1e-9);
        assert!((transfer.wire_bytes(2.9e6) - 1e6).abs() < 1e-3);
    }

    #[test]
    fn many_wide_keys_travel_as_a_bloom_filter() {
        let c = Constants::default();
        assert!(!c.key_filter(MOST_KEYS as f64, 8.0).bloom);
        let many = c.key_filter(1e6, 8.0);
        assert!(many.bloom && many.bytes < 8e6);
        assert!(!c.key_filter(1e6, 1.0).bloom);
    }
}
