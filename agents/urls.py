"""Pages of agents."""

from django.urls import path

from agents import memory_views, rule_views, settings_views, tool_views, variable_views, views

app_name = "agents"
urlpatterns = [
    path("", views.agent_list, name="list"),
    path("new/", views.create, name="create"),
    path("<str:agent_id>/", views.detail, name="detail"),
    path("<str:agent_id>/delete/", views.delete, name="delete"),
    path("<str:agent_id>/about/", settings_views.save_about, name="about"),
    path("<str:agent_id>/llm-config/", settings_views.save_llm_config, name="llm-config"),
    path("<str:agent_id>/parallel-tool-calls/", settings_views.switch_parallel, name="parallel"),
    path("<str:agent_id>/tools/", tool_views.panel, name="tools"),
    path("<str:agent_id>/tools/attach/", tool_views.attach, name="attach"),
    path("<str:agent_id>/tools/<str:tool_id>/detach/", tool_views.detach, name="detach"),
    path("<str:agent_id>/tools/<str:tool_id>/approval/", tool_views.approval, name="approval"),
    path("<str:agent_id>/rules/add/", rule_views.add, name="add-rule"),
    path("<str:agent_id>/rules/remove/", rule_views.remove, name="remove-rule"),
    path("<str:agent_id>/rules/walk/", rule_views.preview, name="walk"),
    path("<str:agent_id>/variables/", variable_views.add, name="add-variable"),
    path("<str:agent_id>/variables/<str:key>/", variable_views.save, name="save-variable"),
    path("<str:agent_id>/variables/<str:key>/delete/", variable_views.delete, name="delete-variable"),
    path("<str:agent_id>/memory/", memory_views.add, name="add-block"),
    path("<str:agent_id>/memory/<str:block_id>/", memory_views.save, name="save-block"),
    path("<str:agent_id>/memory/<str:block_id>/detach/", memory_views.detach, name="detach-block"),
]
