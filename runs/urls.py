"""Pages of runs."""

from __future__ import annotations

from django.urls import path

from runs import chat_views, context_views, downloads, lists, views
from runs.agent_files import pages as agent_files

app_name = "runs"
urlpatterns = [
    path("", lists.run_list, name="list"),
    path("running/", lists.running_count, name="running-count"),
    path("tool-stats/", lists.tool_stats, name="tool-stats"),
    path("import-agent/", agent_files.upload, name="import-agent"),
    path("agent/<str:agent_id>/export/", agent_files.download, name="export-agent"),
    path("agent/<str:agent_id>/", lists.agent_runs, name="agent-runs"),
    path("agent/<str:agent_id>/simulator/", chat_views.simulator, name="simulator"),
    path("agent/<str:agent_id>/begin/", chat_views.begin, name="begin"),
    path("agent/<str:agent_id>/earlier/", chat_views.earlier, name="earlier"),
    path("agent/<str:agent_id>/news/", chat_views.news, name="news"),
    path("agent/<str:agent_id>/send/", chat_views.send, name="send"),
    path("agent/<str:agent_id>/stop/", chat_views.stop, name="stop"),
    path("agent/<str:agent_id>/context/", context_views.panel, name="context-window"),
    path("agent/<str:agent_id>/summarise/", context_views.summarise, name="summarise"),
    path("<str:run_id>/", views.run_page, name="detail"),
    path("<str:run_id>/waiting/", views.waiting, name="waiting"),
    path("<str:run_id>/inspector/", views.inspector, name="inspector"),
    path("<str:run_id>/verdict/", views.verdict, name="verdict"),
    path("<str:run_id>/log/", views.earlier_log, name="log"),
    path("<str:run_id>/decide/", chat_views.decide_calls, name="decide"),
    path("<str:run_id>/cancel/", chat_views.cancel, name="cancel"),
    path("<str:run_id>/log.json", downloads.log_json, name="log-json"),
    path("<str:run_id>/trace.json", downloads.trace_json, name="trace-json"),
    path("<str:run_id>/calls/<str:call_id>/return.txt", downloads.return_text, name="return-text"),
    path("<str:run_id>/calls/<str:call_id>/output.txt", downloads.output_text, name="output-text"),
]
