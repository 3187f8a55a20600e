//! Rows out, by Arrow Flight's DoGet. Everything else of Flight is refused: this is between sites and gateways.

use std::pin::Pin;
use std::sync::Arc;

use arrow_flight::flight_service_server::FlightService;
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo, HandshakeRequest, HandshakeResponse,
    PollInfo, PutResult, SchemaResult,
};
use futures::{Stream, StreamExt};
use planner::{Error, Result};
use tokio::sync::mpsc;
use tonic::{Request, Response, Status, Streaming};

use super::held::given_up;
use super::{Site, encode};
use crate::exchange::Claimed;
use crate::wire::{Order, into_status, proto};

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
        let order = Order::read(&request.into_inner().ticket).map_err(|e| into_status(&e))?;
        let claimed = self.0.exchange.claim(order.ticket, order.portion).await.map_err(|e| into_status(&e))?;
        let (out, mut messages) = mpsc::channel(AHEAD);
        // Encoding and compressing is work: not on the threads that answer heartbeats.
        self.0.compute.spawn(send(claimed, order, out));
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
async fn send(claimed: Claimed, order: Order, out: mpsc::Sender<Outgoing>) {
    let stop = match &claimed {
        Claimed::Piped(rows) => rows.stop.clone(),
        Claimed::Held { stop, .. } => stop.clone(),
    };
    let ended = tokio::select! {
        biased;
        () = out.closed() => return,
        () = stop.cancelled() => Err(given_up()),
        ended = pump(claimed, order, &out) => ended,
    };
    let last = ended.map_or_else(|e| Outgoing::Message(Err(into_status(&e))), |()| Outgoing::End);
    let _ = out.send(last).await;
}

async fn pump(claimed: Claimed, order: Order, out: &mpsc::Sender<Outgoing>) -> Result<()> {
    let mut messages = match claimed {
        Claimed::Piped(rows) => encode::piped(rows.batches, order.compression.unwrap_or(rows.compression))?,
        Claimed::Held { relation, .. } => {
            encode::held(relation, order.portion, order.compression.unwrap_or(proto::Compression::Lz4))?
        }
    };
    while let Some(message) = messages.next().await {
        if out.send(Outgoing::Message(Ok(message?))).await.is_err() {
            break;
        }
    }
    Ok(())
}
