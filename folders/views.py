"""The pages of folders: which there are, what is in each, and who reads it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.core.paginator import Paginator
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery, Sum
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from access.activity import Actor, actor_of
from access.replies import PageRequest, go, show, wants_part, with_toast
from folders.attachment import delete_folder
from folders.cabinet import change_folder, create_folder, delete_file
from folders.extraction import READABLE
from folders.forms import FolderForm
from folders.models import File, Folder
from folders.problems import FolderProblem
from folders.reading import resume
from folders.uploads import Sent, check_size, take_file

_PAGE = "folders/folder.html"
_PAGE_SIZE = 100
# Characters of a file's text that its drawer shows.
_SHOWN = 100_000


@require_GET
def folder_list(request: PageRequest) -> HttpResponse:
    """All folders, or those whose name or description hold q."""
    q = request.GET.get("q", "").strip()
    found = Folder.objects.filter(Q(name__icontains=q) | Q(description__icontains=q)) if q else Folder.objects.all()
    page = Paginator(_with_facts(found), _PAGE_SIZE).get_page(request.GET.get("page"))
    part = "#table" if wants_part(request, "folder-table") else ""
    return show(request, f"folders/list.html{part}", {"page": page, "q": q, "form": FolderForm()})


@require_http_methods(["GET", "POST"])
def create(request: PageRequest) -> HttpResponse:
    """A new folder, from the dialog of the list or from its own page."""
    if request.method == "GET":
        return show(request, "folders/create.html", {"form": FolderForm()})
    form = FolderForm(request.POST)
    if form.is_valid():
        try:
            folder = create_folder(actor_of(request), form.cleaned_data)
            return go(request, _url(folder), f"Folder {folder.name} created")
        except FolderProblem as problem:
            form.add_error("name", str(problem))
    part = "#form" if wants_part(request) else ""
    return show(request, f"folders/create.html{part}", {"form": form}, status=422)


@require_GET
def detail(request: PageRequest, folder_id: str) -> HttpResponse:
    """One folder with its files."""
    folder = _folder(folder_id)
    resume(Q(file__folder=folder))
    part = "#files" if wants_part(request, "folder-files") else ""
    return show(request, f"{_PAGE}{part}", _context(request, folder))


@require_POST
def change(request: PageRequest, folder_id: str) -> HttpResponse:
    """What the folder is called and what is said of it."""
    folder, form = _folder(folder_id), FolderForm(request.POST)
    if form.is_valid():
        try:
            folder = change_folder(actor_of(request), folder, form.cleaned_data)
            return go(request, _url(folder), "Saved")
        except FolderProblem as problem:
            form.add_error("name", str(problem))
    part = "#about" if request.htmx else ""
    return show(request, f"{_PAGE}{part}", _context(request, folder) | {"form": form}, status=422)


@require_POST
def delete(request: PageRequest, folder_id: str) -> HttpResponse:
    """The folder is gone, with its files."""
    folder = _folder(folder_id)
    delete_folder(actor_of(request), folder)
    return go(request, reverse("folders:list"), f"Folder {folder.name} deleted")


@require_POST
def upload(request: PageRequest, folder_id: str) -> HttpResponse:
    """Files into the folder; what cannot be taken is told, the rest is taken."""
    folder, files = _folder(folder_id), request.FILES.getlist("file")
    refused = _take_all(actor_of(request), folder, files)
    taken = len(files) - len(refused)
    said = f"{taken} file{'s' if taken != 1 else ''} added" if files else "Choose a file first"
    if not request.htmx:
        return go(request, _url(folder), " ".join([said, *refused]))
    shown = show(request, f"{_PAGE}#files", _context(request, folder) | {"refused": refused})
    return with_toast(shown, said, tone="good" if taken else "warn")


@require_GET
def file_text(request: PageRequest, folder_id: str, file_id: str) -> HttpResponse:
    """The text that was read from a file, as the drawer or a page of its own."""
    file = _file(folder_id, file_id)
    context = {"file": file, "text": file.content[:_SHOWN], "is_cut": len(file.content) > _SHOWN}
    return show(request, f"folders/file.html{'#body' if wants_part(request) else ''}", context)


@require_POST
def delete_one_file(request: PageRequest, folder_id: str, file_id: str) -> HttpResponse:
    """One file less."""
    file = _file(folder_id, file_id)
    delete_file(actor_of(request), file)
    if not request.htmx:
        return go(request, _url(file.folder), f"{file.file_name} deleted")
    shown = show(request, f"{_PAGE}#files", _context(request, file.folder))
    return with_toast(shown, f"{file.file_name} deleted")


def _with_facts(folders: QuerySet[Folder]) -> QuerySet[Folder]:
    """Each folder with file_count, total_size and agent_count; sub-selects, so that the counts do not multiply."""
    same = Folder.objects.filter(pk=OuterRef("pk")).order_by().values("pk")

    def fact(of: Any) -> Subquery:
        return Subquery(same.annotate(fact=of).values("fact"))

    return folders.annotate(
        file_count=fact(Count("files")), total_size=fact(Sum("files__file_size")), agent_count=fact(Count("links"))
    )


def _take_all(actor: Actor, folder: Folder, files: Sequence[UploadedFile[Any]]) -> list[str]:
    """Why files were refused, in words."""
    refused = []
    for file in files:
        try:
            check_size(file.size or 0)
            take_file(actor, folder, Sent(file.name or "", file.read()))
        except FolderProblem as problem:
            refused.append(f"{file.name}: {problem}")
    return refused


def _context(request: PageRequest, folder: Folder) -> dict[str, Any]:
    files = File.objects.filter(folder=folder).defer("content").order_by("file_name")
    page = Paginator(files, _PAGE_SIZE).get_page(request.GET.get("page"))
    said = {name: getattr(folder, name) for name in ("name", "description", "instructions")}
    return {
        "folder": folder,
        "page": page,
        "is_waiting": any(file.is_waiting for file in page),
        "agents": folder.agents.order_by("name").only("pk", "name"),
        "form": FolderForm(initial=said),
        "readable": READABLE,
    }


def _url(folder: Folder) -> str:
    return reverse("folders:detail", args=[folder.pk])


def _folder(folder_id: str) -> Folder:
    return get_object_or_404(Folder, pk=folder_id)


def _file(folder_id: str, file_id: str) -> File:
    return get_object_or_404(File.objects.select_related("folder"), pk=file_id, folder_id=folder_id)
