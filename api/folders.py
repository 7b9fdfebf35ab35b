"""/v1/folders: folders, the files in them, and which agents have them."""

from __future__ import annotations

from typing import Any, Literal

from django.db.models import Count, Q, QuerySet, Sum
from django.http import HttpRequest
from ninja import File as Part
from ninja import Query, Router, Status
from ninja.files import UploadedFile

from agents.models import Agent
from api.auth import actor_of
from api.errors import ApiProblem
from api.lookup import find
from api.paging import Cursor, cut, page_of
from api.schemas.folders import FolderFields, NewFolder, file_state, folder_state
from folders.attachment import attach_folder, delete_folder, detach_folder
from folders.cabinet import change_folder, create_folder, delete_file
from folders.models import File, Folder
from folders.reading import resume
from folders.uploads import Duplicates, Sent, check_size, take_file

router = Router(tags=["Folders"])


class ByCreation(Cursor):
    """A list that is in the order of making and nothing else."""

    order_by: Literal["created_at"] | None = None


class FolderFilter(ByCreation):
    """Which folders to list."""

    name: str | None = None

    def choose(self) -> QuerySet[Folder]:
        """The folders that fit."""
        return Folder.objects.filter(name=self.name) if self.name else Folder.objects.all()


class FileFilter(ByCreation):
    """Which files to list, and whether with their text."""

    include_content: bool = False


@router.post("/folders")
def create(request: HttpRequest, body: NewFolder) -> dict[str, Any]:
    """Make a folder that no agent has yet."""
    return folder_state(create_folder(actor_of(request), body.sent()))


@router.get("/folders")
def list_folders(request: HttpRequest, chosen: Query[FolderFilter]) -> list[dict[str, Any]]:
    """Folders, oldest first."""
    return [folder_state(folder) for folder in cut(chosen.choose(), page_of(chosen, order="asc"))]


# Before the path of one folder: "count" and "metadata" must not be taken for its id.
@router.get("/folders/count")
def count(request: HttpRequest) -> int:
    """How many folders there are."""
    return Folder.objects.count()


@router.get("/folders/metadata")
def metadata(request: HttpRequest, include_detailed_per_source_metadata: bool = False) -> dict[str, Any]:
    """How many folders and files there are, and how many bytes the files have."""
    totals = File.objects.aggregate(files=Count("pk"), size=Sum("file_size"))
    return {
        "total_sources": Folder.objects.count(),
        "total_files": totals["files"],
        "total_size": totals["size"] or 0,
        "sources": _each_folder() if include_detailed_per_source_metadata else [],
    }


@router.get("/folders/name/{folder_name}")
def id_by_name(request: HttpRequest, folder_name: str) -> str:
    """The id of the folder of this name."""
    found = Folder.objects.filter(name=folder_name).values_list("pk", flat=True).first()
    if found is None:
        raise ApiProblem(404, f"There is no folder called {folder_name!r}.")
    return found


@router.get("/folders/{folder_id}")
def retrieve(request: HttpRequest, folder_id: str) -> dict[str, Any]:
    """One folder."""
    return folder_state(find_folder(folder_id))


@router.patch("/folders/{folder_id}")
def update(request: HttpRequest, folder_id: str, body: FolderFields) -> dict[str, Any]:
    """Change a folder; what is not sent stays."""
    return folder_state(change_folder(actor_of(request), find_folder(folder_id), body.sent()))


@router.delete("/folders/{folder_id}")
def delete(request: HttpRequest, folder_id: str) -> None:
    """Delete a folder with its files."""
    delete_folder(actor_of(request), find_folder(folder_id))


@router.get("/folders/{folder_id}/agents")
def list_agents(request: HttpRequest, folder_id: str, cursor: Query[ByCreation]) -> list[str]:
    """The ids of the agents that have the folder, newest first."""
    agents = Agent.objects.filter(folder_links__folder=find_folder(folder_id)).only("pk", "created_at")
    return [agent.pk for agent in cut(agents, page_of(cursor))]


@router.get("/folders/{folder_id}/files")
def list_files(request: HttpRequest, folder_id: str, chosen: Query[FileFilter]) -> list[dict[str, Any]]:
    """The folder's files, oldest first."""
    folder = find_folder(folder_id)
    resume(Q(file__folder=folder))
    files = _files_of(folder, with_content=chosen.include_content)
    page = cut(files, page_of(chosen, order="asc"))
    return [file_state(file, with_content=chosen.include_content) for file in page]


@router.post("/folders/{folder_id}/upload")
def upload(
    request: HttpRequest,
    folder_id: str,
    file: Part[UploadedFile],
    duplicate_handling: Duplicates = Duplicates.SUFFIX,
    name: str | None = None,
) -> dict[str, Any]:
    """Put a file into a folder. The text of a PDF, Word or HTML file is read after the answer: `processing_status`
    says how far it is."""
    folder = find_folder(folder_id)
    check_size(file.size or 0)
    sent = Sent(file.name or "", file.read(), name or "")
    return file_state(take_file(actor_of(request), folder, sent, duplicate_handling))


@router.get("/folders/{folder_id}/files/{file_id}")
def retrieve_file(request: HttpRequest, folder_id: str, file_id: str, include_content: bool = False) -> dict[str, Any]:
    """One file."""
    resume(Q(file=file_id))
    files = _files_of(find_folder(folder_id), with_content=include_content)
    return file_state(find(files, file_id, "File"), with_content=include_content)


@router.get("/agents/{agent_id}/folders")
def list_of_agent(request: HttpRequest, agent_id: str, cursor: Query[ByCreation]) -> list[dict[str, Any]]:
    """The agent's folders, newest first."""
    agent = find(Agent.objects.all(), agent_id, "Agent")
    return [folder_state(folder) for folder in cut(agent.folders.all(), page_of(cursor))]


@router.patch("/agents/{agent_id}/folders/attach/{folder_id}")
def attach(request: HttpRequest, agent_id: str, folder_id: str) -> None:
    """Have an agent read a folder; the file tools come with its first one."""
    agent = find(Agent.objects.all(), agent_id, "Agent")
    attach_folder(actor_of(request), agent, find_folder(folder_id))


@router.patch("/agents/{agent_id}/folders/detach/{folder_id}")
def detach(request: HttpRequest, agent_id: str, folder_id: str) -> None:
    """Have an agent read a folder no longer; the file tools go with its last one."""
    agent = find(Agent.objects.all(), agent_id, "Agent")
    detach_folder(actor_of(request), agent, find_folder(folder_id))


# After all other paths of two parts, which it would hide.
@router.delete("/folders/{folder_id}/{file_id}", response={204: None})
def delete_file_of_folder(request: HttpRequest, folder_id: str, file_id: str) -> Status[None]:
    """Delete a file."""
    delete_file(actor_of(request), find(_files_of(find_folder(folder_id)), file_id, "File"))
    return Status(204, None)


def find_folder(folder_id: str) -> Folder:
    """The folder with this id. Raises ApiProblem."""
    return find(Folder.objects.all(), folder_id, "Folder", prefix="source")


def _files_of(folder: Folder, *, with_content: bool = False) -> QuerySet[File]:
    files = File.objects.filter(folder=folder).select_related("folder")
    return files if with_content else files.defer("content")


def _each_folder() -> list[dict[str, Any]]:
    """The files of every folder, in two queries."""
    files: dict[str, list[dict[str, Any]]] = {}
    for file in File.objects.select_related("folder").defer("content").order_by("created_at", "pk"):
        about = {"file_id": file.pk, "file_name": file.path, "file_size": file.file_size}
        files.setdefault(file.folder_id, []).append(about)
    folders = Folder.objects.order_by("created_at", "pk").values_list("pk", "name")
    return [{"source_id": key, "source_name": name, "files": files.get(key, [])} for key, name in folders]
