//! One stream of rows over one connection.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use arrow_flight::FlightData;
use arrow_flight::decode::{DecodedPayload, FlightDataDecoder};
use arrow_flight::error::FlightError;
use futures::{StreamExt, stream};
use parking_lot::Mutex;
use planner::{Error, Result};
use tonic::{Code, Status, Streaming};

use super::channels::{Channels, Taken};
use crate::exchange::batch_bytes;
use crate::wire::{Ending, Order, from_status, malformed};

/// Why there are no more rows.
pub(super) enum Broken {
    /// The site has said so.
    Said(Error),
    /// The connection, or the site with it.
    Off(Error),
}

pub(super) enum Got {
    /// With its number, if its relation is held.
    Batch(Option<u64>, RecordBatch),
    /// A held relation's last word.
    Ending(Ending),
    End,
}

pub(super) struct Incoming {
    taken: Taken,
    decoder: FlightDataDecoder,
    ending: Arc<Mutex<Option<Vec<u8>>>>,
    /// Bytes of Arrow data.
    carried: u64,
    channels: Arc<Channels>,
}

impl Incoming {
    /// Asks, and waits until the site has the rows.
    pub async fn open(channels: &Arc<Channels>, order: &Order, bytes: Option<f64>) -> Result<Self, Broken> {
        let taken = channels.take(bytes).await.map_err(Broken::Off)?;
        let ticket = arrow_flight::Ticket { ticket: order.bytes().into() };
        let got = taken.client().do_get(ticket).await.map_err(|status| broken(channels, &status))?;
        let ending = Arc::default();
        let decoder = FlightDataDecoder::new(before_ending(got.into_inner(), Arc::clone(&ending)));
        Ok(Self { taken, decoder, ending, carried: 0, channels: channels.clone() })
    }

    pub async fn next(&mut self) -> Result<Got, Broken> {
        loop {
            let message = match self.decoder.next().await {
                None => break,
                Some(Ok(message)) => message,
                Some(Err(FlightError::Tonic(status))) => return Err(broken(&self.channels, &status)),
                Some(Err(other)) => return Err(Broken::Said(malformed("a batch").with_detail(other.to_string()))),
            };
            let number = message.app_metadata().first_chunk().map(|number| u64::from_be_bytes(*number));
            if let DecodedPayload::RecordBatch(batch) = message.payload {
                self.carried += batch_bytes(&batch);
                return Ok(Got::Batch(number, batch));
            }
        }
        match self.ending.lock().take() {
            Some(ending) => Ok(Got::Ending(Ending::read(&ending).map_err(Broken::Said)?)),
            None => Ok(Got::End),
        }
    }

    /// It has ended by itself: its connection is good for another one.
    pub fn give_back(self) {
        self.taken.give_back(self.carried);
    }
}

/// The messages that Arrow knows: the ending is ours.
fn before_ending(
    messages: Streaming<FlightData>,
    ending: Arc<Mutex<Option<Vec<u8>>>>,
) -> impl futures::Stream<Item = Result<FlightData, FlightError>> + Send {
    stream::unfold(messages, move |mut messages| {
        let ending = ending.clone();
        async move {
            loop {
                match messages.message().await {
                    Ok(Some(message)) if message.data_header.is_empty() => {
                        *ending.lock() = Some(message.app_metadata.to_vec());
                    }
                    Ok(Some(message)) => return Some((Ok(message), messages)),
                    Ok(None) => return None,
                    Err(status) => return Some((Err(FlightError::Tonic(Box::new(status))), messages)),
                }
            }
        }
    })
}

/// What the site said last, or that it could not say anything any more.
fn broken(channels: &Channels, status: &Status) -> Broken {
    if let Some(error) = from_status(status) {
        // It may hand on what another site has said.
        let site = || channels.options().site.clone();
        return Broken::Said(if error.site().is_some() { error } else { error.with_site(site()) });
    }
    let error = channels.lost().with_detail(status.message().to_string());
    match status.code() {
        Code::Unauthenticated | Code::PermissionDenied | Code::Unimplemented => Broken::Said(error),
        _ => Broken::Off(error),
    }
}
