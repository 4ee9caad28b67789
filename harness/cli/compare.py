def show_study(store, study_id):
    print("study", study_id)
