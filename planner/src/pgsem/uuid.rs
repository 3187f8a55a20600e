//! uuid: carried as its canonical text, which sorts as the bytes do.

use arrow::array::ArrayRef;

use super::func::{FuncDef, SqlForm};
use super::kernel::{Call, Text};
use super::registry::{CastDef, Signature};
use crate::error::Result;
use crate::pgtype::oid;

pub fn signatures() -> (Vec<Signature>, Vec<CastDef>) {
    (vec![Signature::func("gen_random_uuid", &[], oid::UUID, &GEN_RANDOM_UUID)], Vec::new())
}

static GEN_RANDOM_UUID: FuncDef =
    FuncDef::new("gen_random_uuid", SqlForm::Call("gen_random_uuid"), gen_random_uuid).volatile();

fn gen_random_uuid(call: &Call<'_>) -> Result<ArrayRef> {
    call.build::<Text>(|_| Ok(Some(uuid::Uuid::new_v4().to_string())))
}
