//! Sealed copies, and coming back after a loss.

use antiphon_core::ids::TeamId;

use super::Service;
use crate::convert;
use crate::dto::{
    FormerPlaceDto, FormerPlaceRequestDto, RecoverDto, RecoveryDto, RecoveryRequestDto, SealDto, SealResultDto,
    SealedDto, UnsealedDto,
};
use crate::error::{Code, Problem};

impl Service {
    pub(crate) async fn seal_backup(&self, seal: SealDto) -> Result<SealResultDto, Problem> {
        let sealed = self.handle.seal_backup(&seal.with, seal.all).await?;
        Ok(SealResultDto { sealed: sealed.into_iter().map(convert::sealed_to).collect() })
    }

    pub(crate) async fn sealed_copies(&self) -> Result<SealedDto, Problem> {
        Ok(convert::sealed(self.handle.sealed_copies().await?))
    }

    pub(crate) async fn unseal_backup(&self, peer: &str) -> Result<UnsealedDto, Problem> {
        let (peer, parts) = self.handle.unseal_backup(peer).await?;
        Ok(UnsealedDto { peer_id: peer.to_string(), parts })
    }

    pub(crate) async fn former_place(&self, asked: FormerPlaceRequestDto) -> Result<FormerPlaceDto, Problem> {
        let team = asked.team.as_deref().map(team_of).transpose()?;
        Ok(convert::former_place(self.handle.former_place(&asked.peer, team).await?))
    }

    pub(crate) async fn recover(&self, recover: RecoverDto) -> Result<FormerPlaceDto, Problem> {
        let team = team_of(&recover.team)?;
        Ok(convert::former_place(self.handle.recover(&recover.peer, team, recover.name.as_deref()).await?))
    }

    pub(crate) async fn recovery(&self, asked: RecoveryRequestDto) -> Result<RecoveryDto, Problem> {
        let recovery = self.handle.recovery(&convert::expected_of(&asked.expected)?).await?;
        let unasked = recovery.unasked.iter().map(|(peer, _)| *peer);
        let nodes: Vec<_> =
            recovery.peers.iter().copied().chain(unasked).chain(recovery.away.iter().copied()).collect();
        let names = self.handle.names_of(&nodes).await?;
        Ok(convert::recovery(&recovery, names))
    }
}

fn team_of(text: &str) -> Result<TeamId, Problem> {
    text.trim().parse().map_err(|_| {
        let shown: String = text.chars().take(80).collect();
        Problem::new(Code::Invalid, format!("{shown:?} is not the id of a team"))
            .why("it is 64 hexadecimal digits")
            .hint("antiphon status shows it on any member; without --team it is asked for")
    })
}
