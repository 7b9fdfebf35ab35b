"""Identities: whom an application knows, and the agents and blocks that are theirs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from access import activity
from access.activity import Actor
from access.changes import assign, explain, save_changes
from agents.models import Agent, Block, Identity
from agents.problems import AgentProblem, Taken

CHANGEABLE = frozenset({"identifier_key", "name", "identity_type", "properties", "project_id"})


def create_identity(
    actor: Actor, fields: Mapping[str, Any], *, agent_ids: Iterable[str] = (), block_ids: Iterable[str] = ()
) -> Identity:
    """A new identity with these agents and blocks. Raises Taken where its key is in use, AgentProblem."""
    identity = Identity()
    assign(identity, _known(fields))
    if Identity.objects.filter(identifier_key=identity.identifier_key).exists():
        raise _taken(identity)
    _check(identity)
    try:
        with transaction.atomic():
            identity.save(force_insert=True)
            _connect(identity, agent_ids, block_ids)
            activity.note(actor, "created", target_id=identity.pk, target_name=identity.name)
    except IntegrityError as error:  # somebody else was a moment earlier
        raise _taken(identity) from error
    return identity


def upsert_identity(
    actor: Actor,
    fields: Mapping[str, Any],
    *,
    agent_ids: Iterable[str] | None = None,
    block_ids: Iterable[str] | None = None,
) -> Identity:
    """The identity of this `identifier_key`, made or changed; what is not given stays. Raises AgentProblem."""
    known = Identity.objects.filter(identifier_key=fields["identifier_key"]).first()
    if known is None:
        return create_identity(actor, fields, agent_ids=agent_ids or (), block_ids=block_ids or ())
    return change_identity(actor, known, fields, agent_ids=agent_ids, block_ids=block_ids)


def change_identity(
    actor: Actor,
    identity: Identity,
    changes: Mapping[str, Any],
    *,
    agent_ids: Iterable[str] | None = None,
    block_ids: Iterable[str] | None = None,
) -> Identity:
    """The identity with only these fields changed; ids, where given, replace what is connected. Raises Taken,
    AgentProblem, Identity.DoesNotExist."""
    with transaction.atomic():
        stored = Identity.objects.select_for_update(no_key=True).get(pk=identity.pk)
        changed = assign(stored, _known(changes))
        _check(stored)
        try:
            with transaction.atomic():
                save_changes(stored, changed)
        except (ValidationError, IntegrityError) as error:  # what is left to complain of is the key
            raise _taken(stored) from error
        _connect(stored, agent_ids, block_ids)
        activity.note(actor, "changed", target_id=stored.pk, target_name=stored.name, changes=changed)
    return stored


def set_properties(actor: Actor, identity: Identity, properties: Iterable[Mapping[str, Any]]) -> Identity:
    """The identity with these properties set by their key; its others stay. Raises AgentProblem."""
    with transaction.atomic():
        stored = Identity.objects.select_for_update(no_key=True).get(pk=identity.pk)
        by_key = {known["key"]: known for known in stored.properties} | {new["key"]: dict(new) for new in properties}
        return change_identity(actor, stored, {"properties": list(by_key.values())})


def delete_identity(actor: Actor, identity: Identity) -> None:
    """The identity is gone; its agents and blocks stay."""
    with transaction.atomic():
        activity.note(actor, "deleted", target_id=identity.pk, target_name=identity.name)
        identity.delete()


def attach_identity(actor: Actor, owned: Agent | Block, identity: Identity) -> None:
    """The agent or block is the identity's; twice is once."""
    with transaction.atomic():
        owned.identities.add(identity)
        activity.note(
            actor,
            "attached an identity",
            target_id=owned.pk,
            target_name=str(owned),
            changes={"identity": [None, identity.name]},
        )


def detach_identity(actor: Actor, owned: Agent | Block, identity: Identity) -> None:
    """The agent or block is the identity's no longer."""
    with transaction.atomic():
        owned.identities.remove(identity)
        activity.note(
            actor,
            "detached an identity",
            target_id=owned.pk,
            target_name=str(owned),
            changes={"identity": [identity.name, None]},
        )


def identities_called(identity_ids: Iterable[str]) -> list[Identity]:
    """The identities of these ids. Raises AgentProblem for unknown ones."""
    ids = list(dict.fromkeys(identity_ids))
    found = Identity.objects.in_bulk(ids)
    unknown = [key for key in ids if key not in found]
    if unknown:
        raise AgentProblem(f"Unknown identities: {', '.join(unknown)}.")
    return [found[key] for key in ids]


def _connect(identity: Identity, agent_ids: Iterable[str] | None, block_ids: Iterable[str] | None) -> None:
    if agent_ids is not None:
        wanted = list(dict.fromkeys(agent_ids))
        agents = Agent.objects.in_bulk(wanted)
        _refuse_unknown("agents", wanted, agents)
        identity.agents.set(agents.values())
    if block_ids is not None:
        wanted = list(dict.fromkeys(block_ids))
        blocks = Block.objects.in_bulk(wanted)
        _refuse_unknown("blocks", wanted, blocks)
        identity.blocks.set(blocks.values())


def _refuse_unknown(nouns: str, wanted: Iterable[str], found: Mapping[str, Any]) -> None:
    unknown = [key for key in wanted if key not in found]
    if unknown:
        raise AgentProblem(f"Unknown {nouns}: {', '.join(unknown)}.")


def _known(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name in CHANGEABLE}


def _check(identity: Identity) -> None:
    try:
        identity.full_clean(validate_unique=False)
    except ValidationError as error:
        raise AgentProblem(explain(error)) from error


def _taken(identity: Identity) -> Taken:
    return Taken(f"There is an identity with the key {identity.identifier_key!r} already. Use PUT to change it.")
