//! How rows are packed on a link.

use cost_model::Link;
use cost_model::analytic::{CODEC_NAMES, Constants};

use super::proto::Compression;

/// What the cost model counts with on this link. Where nothing is known of it: what costs little and helps on most.
pub fn compression(link: Option<&Link>) -> Compression {
    let codec = link.map(|link| CODEC_NAMES[Constants::default().transfer(link).codec]);
    match codec {
        None | Some("lz4") => Compression::Lz4,
        Some("zstd") => Compression::Zstd,
        Some(_) => Compression::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_gets_the_codec_that_the_cost_model_counts_with() {
        let on = |bandwidth| compression(Some(&Link { bandwidth, rtt: 0.05, price_per_gb: 0.0 }));
        assert_eq!(on(12.5e6), Compression::Zstd);
        assert_eq!(on(300e6), Compression::Lz4);
        assert_eq!(on(2e9), Compression::None);
        assert_eq!(compression(None), Compression::Lz4);
    }
}
