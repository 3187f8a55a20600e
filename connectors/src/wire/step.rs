//! A step, as a message: a scan with what it needs from others and what others need from it.

use cost_model::{Link, SiteId};
use planner::emit::KeyColumn;
use planner::{PgType, Result};

use super::scan::{read_schema, schema_message};
use super::{Ticket, malformed, proto};
use crate::step::{Input, KeyOffer, Origin, Peer, Step, StepFilter};

impl proto::Scan {
    pub fn new(lease: u64, ticket: Ticket, compression: proto::Compression, step: Step) -> Result<Self> {
        let Step { scan, inputs, filters, offers, hold } = step;
        let offer = |o: KeyOffer| proto::KeyOffer { ticket: o.ticket.0.to_vec(), column: o.column as u32 };
        Ok(Self {
            inputs: inputs.into_iter().map(proto::Input::try_from).collect::<Result<_>>()?,
            filters: filters.into_iter().map(Into::into).collect(),
            offers: offers.into_iter().map(offer).collect(),
            hold,
            ..Self::of(lease, ticket, compression, scan)?
        })
    }

    pub fn step(mut self) -> Result<Step> {
        let offer = |o: proto::KeyOffer| Ok(KeyOffer { ticket: Ticket::read(&o.ticket)?, column: o.column as usize });
        let inputs = std::mem::take(&mut self.inputs).into_iter().map(Input::try_from).collect::<Result<_>>()?;
        let filters: Vec<StepFilter> =
            std::mem::take(&mut self.filters).into_iter().map(StepFilter::try_from).collect::<Result<_>>()?;
        let offers: Vec<KeyOffer> = std::mem::take(&mut self.offers).into_iter().map(offer).collect::<Result<_>>()?;
        let hold = self.hold;
        let scan = self.request()?;
        let columns = offers.iter().map(|offer| offer.column).chain(filters.iter().filter_map(|filter| filter.output));
        match columns.into_iter().any(|column| column >= scan.columns.len()) {
            true => Err(malformed("a step")),
            false => Ok(Step { scan, inputs, filters, offers, hold }),
        }
    }
}

impl From<Origin> for Option<proto::Peer> {
    fn from(origin: Origin) -> Self {
        let Origin::Peer(Peer { site, address, link }) = origin else { return None };
        let (bandwidth, rtt) = (link.map(|l| l.bandwidth), link.map(|l| l.rtt));
        Some(proto::Peer { site: site.to_string(), address, bandwidth, rtt })
    }
}

impl From<Option<proto::Peer>> for Origin {
    fn from(peer: Option<proto::Peer>) -> Self {
        let Some(proto::Peer { site, address, bandwidth, rtt }) = peer else { return Self::Here };
        let link = bandwidth.zip(rtt).map(|(bandwidth, rtt)| Link { bandwidth, rtt, price_per_gb: 0.0 });
        Self::Peer(Peer { site: SiteId::new(site), address, link })
    }
}

impl TryFrom<Input> for proto::Input {
    type Error = planner::Error;

    fn try_from(input: Input) -> Result<Self> {
        Ok(Self {
            peer: input.origin.into(),
            ticket: input.ticket.0.to_vec(),
            columns: input.columns.into_iter().map(Into::into).collect(),
            schema: schema_message(&input.schema)?,
            estimated_rows: input.estimated_rows,
        })
    }
}

impl TryFrom<proto::Input> for Input {
    type Error = planner::Error;

    fn try_from(sent: proto::Input) -> Result<Self> {
        let (columns, schema): (Vec<PgType>, _) =
            (sent.columns.iter().map(PgType::from).collect(), read_schema(&sent.schema)?);
        if columns.len() != schema.fields().len() {
            return Err(malformed("an input"));
        }
        let (origin, ticket) = (sent.peer.into(), Ticket::read(&sent.ticket)?);
        Ok(Self { origin, ticket, columns, schema, estimated_rows: sent.estimated_rows })
    }
}

impl From<StepFilter> for proto::KeyFilter {
    fn from(filter: StepFilter) -> Self {
        Self {
            peer: filter.origin.into(),
            keys: filter.keys.0.to_vec(),
            column: filter.column.sql,
            r#type: Some(filter.column.ty.into()),
            output: filter.output.map(|column| column as u32),
            kept: filter.kept,
        }
    }
}

impl TryFrom<proto::KeyFilter> for StepFilter {
    type Error = planner::Error;

    fn try_from(sent: proto::KeyFilter) -> Result<Self> {
        let ty = sent.r#type.as_ref().ok_or_else(|| malformed("a key filter"))?.into();
        Ok(Self {
            keys: Ticket::read(&sent.keys)?,
            origin: sent.peer.into(),
            column: KeyColumn { sql: sent.column, ty },
            output: sent.output.map(|column| column as usize),
            kept: sent.kept,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::{DataType, Field, Schema};

    use super::*;
    use crate::engine::ScanRequest;

    #[test]
    fn a_step_arrives_as_it_was_sent() {
        let schema = Arc::new(Schema::new(vec![Field::new("c0", DataType::Int64, true)]));
        let peer = |link| Origin::Peer(Peer { site: "eu".into(), address: "[::1]:7".into(), link });
        let input = |origin| Input {
            origin,
            ticket: Ticket::random(),
            columns: vec![PgType::INT8],
            schema: schema.clone(),
            estimated_rows: Some(3.0),
        };
        let scan = ScanRequest {
            sql: "SELECT c0 FROM r0".into(),
            columns: vec![PgType::INT8],
            schema: schema.clone(),
            estimated_rows: None,
            single_table: None,
            conditions_at: None,
            passthrough: false,
        };
        let filter = StepFilter {
            keys: Ticket::random(),
            origin: peer(None),
            column: KeyColumn { sql: "t.k".into(), ty: PgType::TEXT },
            output: Some(0),
            kept: 0.5,
        };
        let link = Link { bandwidth: 1e6, rtt: 0.1, price_per_gb: 0.0 };
        let step = Step {
            scan,
            inputs: vec![input(Origin::Here), input(peer(Some(link)))],
            filters: vec![filter],
            offers: vec![KeyOffer { ticket: Ticket::random(), column: 0 }],
            hold: true,
        };
        let sent = proto::Scan::new(7, Ticket::random(), proto::Compression::Lz4, step.clone()).unwrap();
        let got = sent.clone().step().unwrap();
        assert_eq!(format!("{got:?}"), format!("{step:?}"));
        assert_eq!((got.filters, got.offers), (step.filters, step.offers));
        assert_eq!(got.inputs[1].ticket, step.inputs[1].ticket);
        let mut bad = sent;
        bad.offers[0].column = 1;
        assert!(bad.step().is_err(), "a column that there is not");
    }
}
