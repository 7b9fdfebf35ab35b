"""Archival memory on the agent page."""

from django.urls import path

from archives import views

app_name = "archives"
urlpatterns = [
    path("of/<str:agent_id>/", views.panel, name="panel"),
    path("of/<str:agent_id>/add/", views.add, name="add"),
    path("of/<str:agent_id>/<str:passage_id>/forget/", views.forget, name="forget"),
]
