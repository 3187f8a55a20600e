//! Rows out, by Arrow Flight's DoGet. Everything else of Flight is refused: this is between sites and gateways.

use std::pin::Pin;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::ipc::CompressionType;
use arrow::ipc::writer::IpcWriteOptions;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use arrow_flight::flight_service_server::FlightService;
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo, HandshakeRequest, HandshakeResponse,
    PollInfo, PutResult, SchemaResult,
};
use futures::{Stream, StreamExt, stream};
use planner::{Error, Result};
use tokio::sync::mpsc;
use tonic::{Request, Response, Status, Streaming};

use super::Site;
use super::exchange::Rows;
use super::held::given_up;
use crate::site::{compact, translate};
use crate::wire::{MESSAGE_BYTES, Ticket, into_status, proto};

/// Encoded messages that wait for the network.
const AHEAD: usize = 2;

pub struct Flight(pub Arc<Site>);

type Out<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

fn refused<T>() -> Result<T, Status> {
    Err(Status::unimplemented("a site of Narrows hands out rows to its gateways only"))
}

#[tonic::async_trait]
impl FlightService for Flight {
    type HandshakeStream = Out<HandshakeResponse>;
    type ListFlightsStream = Out<FlightInfo>;
    type DoGetStream = Out<FlightData>;
    type DoPutStream = Out<PutResult>;
    type DoActionStream = Out<arrow_flight::Result>;
    type ListActionsStream = Out<ActionType>;
    type DoExchangeStream = Out<FlightData>;

    async fn do_get(&self, request: Request<arrow_flight::Ticket>) -> Result<Response<Self::DoGetStream>, Status> {
        let ticket = Ticket::read(&request.into_inner().ticket).map_err(|e| into_status(&e))?;
        let rows = self.0.exchange.claim(ticket).await.map_err(|e| into_status(&e))?;
        let (out, mut messages) = mpsc::channel(AHEAD);
        // Encoding and compressing is work: not on the threads that answer heartbeats.
        self.0.compute.spawn(send(rows, out));
        Ok(Response::new(Box::pin(async_stream::stream! {
            loop {
                match messages.recv().await {
                    Some(Outgoing::Message(message)) => yield message,
                    Some(Outgoing::End) => break,
                    // A stream that only stops would look complete.
                    None => {
                        yield Err(into_status(&Error::internal("rows could not be sent: their sender has failed")));
                        break;
                    }
                }
            }
        })))
    }

    async fn handshake(
        &self,
        _: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Self::HandshakeStream>, Status> {
        refused()
    }

    async fn list_flights(&self, _: Request<Criteria>) -> Result<Response<Self::ListFlightsStream>, Status> {
        refused()
    }

    async fn get_flight_info(&self, _: Request<FlightDescriptor>) -> Result<Response<FlightInfo>, Status> {
        refused()
    }

    async fn poll_flight_info(&self, _: Request<FlightDescriptor>) -> Result<Response<PollInfo>, Status> {
        refused()
    }

    async fn get_schema(&self, _: Request<FlightDescriptor>) -> Result<Response<SchemaResult>, Status> {
        refused()
    }

    async fn do_put(&self, _: Request<Streaming<FlightData>>) -> Result<Response<Self::DoPutStream>, Status> {
        refused()
    }

    async fn do_exchange(&self, _: Request<Streaming<FlightData>>) -> Result<Response<Self::DoExchangeStream>, Status> {
        refused()
    }

    async fn do_action(&self, _: Request<Action>) -> Result<Response<Self::DoActionStream>, Status> {
        refused()
    }

    async fn list_actions(&self, _: Request<Empty>) -> Result<Response<Self::ListActionsStream>, Status> {
        refused()
    }
}

/// What travels to the response. It is complete only with `End`.
enum Outgoing {
    Message(Result<FlightData, Status>),
    End,
}

/// Until the rows end, their reader leaves, or their gateway is gone.
async fn send(rows: Rows, out: mpsc::Sender<Outgoing>) {
    let stop = rows.stop.clone();
    let ended = tokio::select! {
        biased;
        () = out.closed() => return,
        () = stop.cancelled() => Err(given_up()),
        ended = pump(rows, &out) => ended,
    };
    let last = ended.map_or_else(|e| Outgoing::Message(Err(into_status(&e))), |()| Outgoing::End);
    let _ = out.send(last).await;
}

async fn pump(rows: Rows, out: &mpsc::Sender<Outgoing>) -> Result<()> {
    let mut messages = encoded(rows)?;
    while let Some(message) = messages.next().await {
        if out.send(Outgoing::Message(Ok(message?))).await.is_err() {
            break;
        }
    }
    Ok(())
}

fn encoded(rows: Rows) -> Result<impl Stream<Item = Result<FlightData>> + Unpin> {
    let compression = match rows.compression {
        proto::Compression::None => None,
        proto::Compression::Lz4 => Some(CompressionType::LZ4_FRAME),
        proto::Compression::Zstd => Some(CompressionType::ZSTD),
    };
    let options = IpcWriteOptions::default().try_with_compression(compression)?;
    let schema = rows.batches.schema();
    let pieces = rows.batches.flat_map(|batch| {
        let pieces = batch.map_err(translate).and_then(pieces);
        stream::iter(match pieces {
            Ok(pieces) => pieces.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(FlightError::ExternalError(Box::new(error)))],
        })
    });
    let messages = FlightDataEncoderBuilder::new()
        .with_schema(schema)
        .with_options(options)
        .with_max_flight_data_size(usize::MAX)
        .build(pieces);
    Ok(messages.map(|message| {
        message.map_err(|error| match error {
            FlightError::ExternalError(error) => match error.downcast::<Error>() {
                Ok(error) => *error,
                Err(error) => Error::internal(format!("rows could not be sent: {error}")),
            },
            other => Error::internal(format!("rows could not be sent: {other}")),
        })
    }))
}

/// Batches of about [`MESSAGE_BYTES`] with no more in their buffers than what they show.
fn pieces(batch: RecordBatch) -> Result<Vec<RecordBatch>> {
    let batch = compact(&batch).map_err(translate)?;
    let count = batch.get_array_memory_size().div_ceil(MESSAGE_BYTES).clamp(1, batch.num_rows().max(1));
    if count == 1 {
        return Ok(vec![batch]);
    }
    let each = batch.num_rows().div_ceil(count);
    let slice = |from: usize| compact(&batch.slice(from, each.min(batch.num_rows() - from))).map_err(translate);
    (0..batch.num_rows()).step_by(each).map(slice).collect()
}
